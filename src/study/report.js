// SPDX-License-Identifier: BSD-2-Clause
// Draws the report's figures anew with a legend to switch lines, values under the
// pointer, a logarithmic axis and smoothing. Without it the pictures in the page stay.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const BOX = {width: 1000, height: 500, left: 70, right: 984, top: 20, bottom: 440};
  const report = JSON.parse(document.getElementById("data").textContent);

  const element = (name, attributes, text) => {
    const e = document.createElementNS(NS, name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // Of any number of values, for which Math.max(...values) has no room.
  const most = (values, least) => values.reduce((a, b) => Math.max(a, b), least);

  const step = (range, parts) => {
    const power = 10 ** Math.floor(Math.log10(range / parts));
    return power * [1, 2, 5, 10].find(n => n * power >= range / parts);
  };

  const smooth = (points, weight) => {
    let mean = null;
    return points.map(([x, y]) => [x, mean = mean === null ? y : weight * mean + (1 - weight) * y]);
  };

  // All lines that are switched on: {run, kind, colour, length, width, points}.
  const lines = (figure, state) => figure.shown.filter(s => state.on.has(s)).flatMap(shown => {
    const group = report.groups[shown.group];
    return shown.runs.map(i => group.runs[i]).flatMap(run => {
      const common = {run: run.name, colour: group.colour, length: run.iterations};
      return [{...common, kind: "training", width: 0.9, points: smooth(run.train, state.smoothing)},
        {...common, kind: run.part, width: 2.4, points: run.test}];
    });
  });

  // Errors of the start of each run, by its own length, may lie above the axis.
  const scales = (all, state) => {
    const x_max = most(all.map(l => l.length), 1);
    const late = all.flatMap(l => l.points.filter(p => p[0] >= 0.04 * l.length && p[1] > 0).map(p => p[1]));
    const y_max = late.length ? Math.min(100, most(late, 0) * 1.02) : 100;
    const y_min = state.log ? Math.max(0.01, Math.min(y_max / 10, -most(late.map(y => -y), -100)) * 0.9) : 0;
    const place = state.log ? y => Math.log(Math.max(y, y_min) / y_min) / Math.log(y_max / y_min) : y => y / y_max;
    return {x_max, y_max, y_min,
      x: x => BOX.left + x / x_max * (BOX.right - BOX.left),
      y: y => BOX.bottom - place(y) * (BOX.bottom - BOX.top)};
  };

  const marks = (s, state) => {
    if (!state.log) {
      const by = step(s.y_max, 6);
      return Array.from({length: Math.floor(s.y_max / by + 1e-9) + 1}, (_, i) => i * by);
    }
    const found = [];
    for (let power = 10 ** Math.floor(Math.log10(s.y_min)); power <= s.y_max; power *= 10)
      for (const n of [1, 2, 5]) if (n * power >= s.y_min && n * power <= s.y_max) found.push(n * power);
    return found;
  };

  const number = v => String(Number(v.toPrecision(6)));

  const axes = (svg, figure, s, state) => {
    for (const y of marks(s, state)) {
      svg.append(element("path", {d: `M${BOX.left} ${s.y(y)}H${BOX.right}`, stroke: "#e5e7eb"}),
        element("text", {x: BOX.left - 9, y: s.y(y) + 4.5, "text-anchor": "end"}, number(y)));
    }
    const by = Math.max(1, step(s.x_max, 8));
    for (let x = 0; x <= s.x_max * 1.0001; x += by)
      svg.append(element("text", {x: s.x(x), y: BOX.bottom + 20, "text-anchor": "middle"}, number(x)));
    svg.append(
      element("text", {x: (BOX.left + BOX.right) / 2, y: BOX.bottom + 44, "text-anchor": "middle"}, "iterations"),
      element("text", {transform: `translate(22 ${(BOX.top + BOX.bottom) / 2}) rotate(-90)`, "text-anchor": "middle"},
        figure.axis),
      element("path", {d: `M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}`, fill: "none", stroke: "#6b7280"}));
  };

  const draw = (svg, figure, state) => {
    const all = lines(figure, state), s = scales(all, state);
    svg.replaceChildren(element("title", {}, figure.title),
      element("rect", {width: BOX.width, height: BOX.height, fill: "#ffffff"}));
    axes(svg, figure, s, state);
    const id = `inside-${report.figures.indexOf(figure)}`, clip = element("clipPath", {id});
    clip.append(element("rect", {x: BOX.left, y: BOX.top - 1, width: BOX.right - BOX.left + 2, height: BOX.bottom - BOX.top + 2}));
    const inside = element("g", {"clip-path": `url(#${id})`});
    svg.append(clip, inside);
    for (const l of all) {
      const [x, y] = l.points[0] || [0, Infinity];
      if (l.points.length > 1)
        inside.append(element("polyline", {fill: "none", stroke: l.colour, "stroke-width": l.width, "stroke-linejoin": "round",
          points: l.points.map(p => `${s.x(p[0]).toFixed(1)},${s.y(p[1]).toFixed(1)}`).join(" ")}));
      else if (y <= s.y_max)
        svg.append(element("circle", {cx: s.x(x), cy: s.y(y), r: 1 + 1.5 * l.width, fill: l.colour}));
    }
    const dot = element("circle", {r: 4, fill: "none", stroke: "#111827", visibility: "hidden"});
    svg.append(dot);
    return {all, s, dot};
  };

  // The point nearest to the pointer, in the picture's own pixels.
  const nearest = (drawn, px, py) => {
    let best = null, least = 900;
    for (const line of drawn.all) for (const [x, y] of line.points) {
      if (y > drawn.s.y_max) continue;
      const d = (drawn.s.x(x) - px) ** 2 + (drawn.s.y(y) - py) ** 2;
      if (d < least) { least = d; best = {line, x, y}; }
    }
    return best;
  };

  const control = (label, input) => {
    const l = document.createElement("label");
    l.append(label, " ", input);
    return l;
  };

  const input = attributes => Object.assign(document.createElement("input"), attributes);

  document.querySelectorAll("figure[data-figure]").forEach(place => {
    const figure = report.figures[Number(place.dataset.figure)];
    const state = {on: new Set(figure.shown), log: false, smoothing: 0};
    const svg = element("svg", {viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "font-size": 13, fill: "#374151",
      "font-family": "Helvetica, Arial, sans-serif"});
    const controls = document.createElement("div"), value = document.createElement("div");
    let drawn;
    const redraw = () => { drawn = draw(svg, figure, state); };

    controls.className = "controls";
    value.className = "value";
    for (const shown of figure.shown) {
      const group = report.groups[shown.group];
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = group.label;
      button.style.setProperty("--colour", group.colour);
      button.setAttribute("aria-pressed", "true");
      button.onclick = () => {
        if (!state.on.delete(shown)) state.on.add(shown);
        button.setAttribute("aria-pressed", String(state.on.has(shown)));
        redraw();
      };
      controls.append(button);
    }
    const log = input({type: "checkbox"}), range = input({type: "range", min: 0, max: 0.98, step: 0.02, value: 0});
    log.onchange = () => { state.log = log.checked; redraw(); };
    range.oninput = () => { state.smoothing = Number(range.value); redraw(); };
    controls.append(control("logarithmic", log), control("smooth training", range));

    svg.onpointermove = event => {
      const box = svg.getBoundingClientRect(), unit = BOX.width / box.width;
      const at = nearest(drawn, (event.clientX - box.left) * unit, (event.clientY - box.top) * unit);
      drawn.dot.setAttribute("visibility", at ? "visible" : "hidden");
      value.textContent = at ? `${at.line.run}, ${at.line.kind}: ${number(at.y)} % at iteration ${number(at.x)}` : "";
      if (!at) return;
      drawn.dot.setAttribute("cx", drawn.s.x(at.x));
      drawn.dot.setAttribute("cy", drawn.s.y(at.y));
    };
    place.replaceChildren(controls, svg, value);
    redraw();
  });
})();
