# SPDX-License-Identifier: BSD-2-Clause
"""From figures to ratios, and the table as text and as Markdown."""
import statistics

OURS = ("ours", "also")


def summarise_side(figures, version, peak, best):
    side = {"version": version, "median": statistics.median(figures),
            "best": best(figures), "min": min(figures), "max": max(figures),
            "rounds": figures}
    return side if peak is None else {**side, "peak_bytes": peak}


def compare_with(theirs, side, best):
    """Ratios of one of ours to the best of theirs."""
    fastest = best(theirs, key=lambda way: theirs[way]["median"])
    of_bests = best(s["best"] for s in theirs.values())
    return {"against": fastest,
            "of_medians": side["median"] / theirs[fastest]["median"],
            "of_bests": side["best"] / of_bests}


def summarise(row, figures, versions, left_out, peaks=None):
    """A row of the report.

    figures: {side: a figure for each round}, "ours" among them, perhaps
    "also"; left_out: {way: its probe's figure, or why it did not run}; peaks:
    {side: bytes}, of those whose memory is measured beside.
    """
    best = max if row.more else min
    sides = {name: summarise_side(f, versions[name], (peaks or {}).get(name),
                                  best)
             for name, f in figures.items()}
    theirs = {name: s for name, s in sides.items() if name not in OURS}
    result = {"row": row.name, "title": row.title, "unit": row.unit,
              "unit_size": row.unit_size, "digits": row.digits,
              "more_is_better": row.more, "target": row.target,
              "sides": sides, "left_out": left_out}
    if "also" in sides:
        result["also_over_ours"] = (sides["also"]["median"]
                                    / sides["ours"]["median"])
    if theirs:
        result["ratio"] = {name: compare_with(theirs, sides[name], best)
                           for name in OURS if name in sides}
        ratio = result["ratio"]["ours"]["of_medians"]
        result["reached"] = (ratio >= row.target if row.more
                             else ratio <= row.target)
        fastest = theirs[result["ratio"]["ours"]["against"]]["median"]
        result["doubtful"] = any(
            not isinstance(probe, str) and best(probe, fastest) != fastest
            for probe in left_out.values())
    return result


# -------------------------------------------------------------------- cells

def number(row, figure):
    """Four digits or so, never as 1e+03."""
    value = figure / row["unit_size"]
    decimals = max(0, row["digits"] - len(str(int(value))))
    return f"{value:.{decimals}f}"


def spread(row, side):
    return (f"{number(row, side['median'])} "
            f"({number(row, side['min'])}..{number(row, side['max'])})")


def target(row):
    return f"{row['target']:g}{'' if row['more_is_better'] else ' or less'}"


def ratio(found):
    return f"{found['of_medians']:.2f} ({found['of_bests']:.2f})"


HEADINGS = ["", "unit", "ours", "fastest of theirs", "way", "ratio", "target",
            "reached"]
ALSO = ["also", "its ratio", "also / ours"]
PEAKS = ["peak MB", "least of theirs"]


def peak_cells(row):
    """Ours, and the least of those of theirs that took part to the end."""
    theirs = [side["peak_bytes"] for name, side in row["sides"].items()
              if name not in OURS and "peak_bytes" in side]
    if not theirs or "peak_bytes" not in row["sides"]["ours"]:
        return [""] * len(PEAKS)
    return [f"{peak / 1e6:.0f}"
            for peak in (row["sides"]["ours"]["peak_bytes"], min(theirs))]


def cells(row, also):
    line = [row["title"], row["unit"], spread(row, row["sides"]["ours"])]
    found = row.get("ratio")
    if not found:
        return line + [""] * (len(HEADINGS + also) - len(line))
    way = found["ours"]["against"]
    line += [spread(row, row["sides"][way]), way, ratio(found["ours"]),
             target(row), ("yes" if row["reached"] else "NO")
             + ("?" if row["doubtful"] else "")]
    if also:
        side = row["sides"].get("also")
        line += ([spread(row, side), ratio(found["also"]),
                  f"{row['also_over_ours']:.2f}"] if side else [""] * 3)
    return line


def lines_of_cells(report):
    rows = report["rows"]
    also = ALSO if any("also" in r["sides"] for r in rows) else []
    lines = [HEADINGS + also] + [cells(r, also) for r in rows]
    peaks = [PEAKS] + [peak_cells(r) for r in rows]
    if not any(map(any, peaks[1:])):
        return lines
    return [line + peak for line, peak in zip(lines, peaks)]


# ------------------------------------------------------------------- tables

def machine_line(m):
    return (f"{m['cpu']}, {m['processors']} processors, "
            f"{m['memory_bytes'] / 1e9:.0f} GB; {m['system']}; "
            f"{m['threads']} threads; commit {m['commit']}, "
            f"{m['date']}; {m['rounds']} rounds of {m['seconds_a_turn']:g} s "
            f"in turn; load at the start {m['load']:.2f}")


def versions_of(report):
    """{version: names of the sides}, in the order of the table."""
    found = {}
    for row in report["rows"]:
        for name, side in row["sides"].items():
            names = found.setdefault(side["version"], [])
            if name not in names:
                names.append(name)
    return found


def all_sides(report):
    """Every side of every row, those left out as well."""
    for row in report["rows"]:
        yield f"{row['title']}, {row['unit']}"
        for name, side in row["sides"].items():
            peak = (f", peak {side['peak_bytes'] / 1e6:.0f} MB"
                    if "peak_bytes" in side else "")
            yield (f"    {name:24}{spread(row, side):28}best "
                   f"{number(row, side['best'])}{peak}")
        for name, why in row["left_out"].items():
            if not isinstance(why, str):
                why = f"left out of the rounds; its probe {number(row, why)}"
            yield f"    {name:24}{why}"


NOTE = ("Medians of the rounds (smallest..largest); ratio of medians, in "
        "brackets of bests. Reached with a question mark: a way that was "
        "left out had a better probe than the fastest had rounds.")


def text(report):
    table = lines_of_cells(report)
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = [machine_line(report["machine"]), ""]
    lines += ["  ".join(cell.ljust(width) for cell, width
                        in zip(line, widths)).rstrip() for line in table]
    lines += ["", NOTE, "", *all_sides(report), ""]
    lines += [f"{version}: {', '.join(names)}"
              for version, names in versions_of(report).items()]
    return "\n".join(lines)


def markdown(report):
    heading, *table = lines_of_cells(report)
    align = ["---"] * 2 + ["---:"] * (len(heading) - 2)
    lines = ["| " + " | ".join(line) + " |"
             for line in [heading, align, *table]]
    return "\n".join(lines + ["", NOTE, "",
                              machine_line(report["machine"]) + "."])
