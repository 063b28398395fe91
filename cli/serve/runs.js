/* SPDX-License-Identifier: BSD-2-Clause */
/* The page's part for runs: /events tells of them as they train. `server` is how
 * page.js asks. */
'use strict';
function watchRuns(server) {
  const SVG = 'http://www.w3.org/2000/svg';
  const COLOURS = 8, MATRIX = 30, PAIRS = 20, AGAIN = 3;
  const get = id => document.getElementById(id);
  const runs = new Map(); /* by id */
  let folder = null, late = 0, chosen = null, wanted = null, drawing = false;

  /* ---------------------------------------------------------------- words */

  const make = (name, text, className) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  };
  const shape = (name, attributes, text) => {
    const e = document.createElementNS(SVG, name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const isNumber = v => typeof v === 'number';
  const short = v => isNumber(v) ? String(Number(v.toPrecision(4))) : '–';
  const count = v => isNumber(v) ? v.toLocaleString('en') : '–';
  const percent = v => isNumber(v) ? `${v.toFixed(2)} %` : '–';
  const value = v => v === null || v === undefined ? '–'
    : typeof v === 'object' ? JSON.stringify(v) : String(v);
  /* Names may be of any script: each is a piece of text of its own. */
  const named = name => make('bdi', name);

  function ago(run) {
    const seconds = Math.max(0, Date.now() / 1000 + late - run.changed);
    const [n, unit] = seconds < 90 ? [seconds, 'second'] : seconds < 5400
      ? [seconds / 60, 'minute'] : seconds < 129600 ? [seconds / 3600, 'hour']
        : [seconds / 86400, 'day'];
    return `${Math.round(n)} ${unit}${Math.round(n) === 1 ? '' : 's'} ago`;
  }

  function stateOf(run) {
    if (run.error) return `cannot be read: ${run.error}`; /* or its log alone */
    if (run.state === 'finished') return 'finished';
    if (run.state === 'reading') return 'its log is long, and being read';
    const at = run.changed ? `, last line ${ago(run)}` : '';
    return run.state === 'training' ? `training${at}`
      : `stopped: no process trains it${at}`;
  }

  const sorted = () => [...runs.values()].sort((a, b) =>
    a.name.localeCompare(b.name, 'en', { numeric: true }));

  /* ---------------------------------------------------------------- chart */

  function step(range, parts) {
    const power = 10 ** Math.floor(Math.log10(range / parts));
    return power * [1, 2, 5, 10].find(n => n * power >= range / parts);
  }

  function lines() {
    const [train, test] = get('quantity').value === 'loss'
      ? ['loss', 'test_loss'] : ['train_error', 'test_error'];
    return sorted().filter(run => run.shown).flatMap(run => [
      { run, kind: 'training', points: run.curves[train], className: `thin c${run.colour}` },
      { run, kind: run.tested_on, points: run.curves[test], className: `c${run.colour}` },
    ]).filter(line => line.points.length);
  }

  /* From iterations and values to the picture's own pixels. What came first, and
   * is far larger than the rest, does not set the scale. */
  function scales(all, box, log) {
    const xMost = Math.max(1, ...all.map(l => l.points.at(-1)[0]));
    const values = all.flatMap(l => l.points.filter(p => p[0] >= 0.04 * xMost).map(p => p[1]));
    const most = Math.max(...values, 0) * 1.03 || 1;
    const positive = values.filter(v => v > 0);
    const least = log ? Math.min(most / 10, ...positive) * 0.9 : 0;
    const place = log ? v => Math.log(Math.max(v, least) / least) / Math.log(most / least)
      : v => v / most;
    return {
      xMost, most, least,
      x: v => box.left + v / xMost * (box.right - box.left),
      y: v => box.bottom - Math.min(1, place(v)) * (box.bottom - box.top),
    };
  }

  function marks(s, log) {
    const found = [];
    if (!log) {
      const by = step(s.most, 5);
      for (let v = 0; v <= s.most; v += by) found.push(v);
      return found;
    }
    for (let power = 10 ** Math.floor(Math.log10(s.least)); power <= s.most; power *= 10)
      for (const n of [1, 2, 5])
        if (n * power >= s.least && n * power <= s.most) found.push(n * power);
    return found;
  }

  function axes(svg, box, s, log) {
    for (const v of marks(s, log))
      svg.append(shape('path', { class: 'grid', d: `M${box.left} ${s.y(v)}H${box.right}` }),
        shape('text', { x: box.left - 6, y: s.y(v) + 4, 'text-anchor': 'end' }, short(v)));
    const by = Math.max(1, step(s.xMost, box.right / 110));
    for (let v = 0; v <= s.xMost; v += by)
      svg.append(shape('text', { x: s.x(v), y: box.bottom + 18, 'text-anchor': 'middle' },
        v >= 1e4 ? `${short(v / 1000)}k` : short(v)));
    svg.append(shape('path', { class: 'axis', d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
  }

  function draw() {
    const svg = get('chart'), all = lines(), log = get('log').checked;
    const width = Math.max(280, svg.clientWidth), height = Math.min(380, 120 + width / 3);
    const box = { left: 46, right: width - 20, top: 10, bottom: height - 26 };
    drawing = false;
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.replaceChildren();
    get('plot').hidden = runs.size === 0;
    const what = get('quantity').value === 'loss' ? 'Loss' : 'Error in per cent';
    svg.setAttribute('aria-label', `${what} over iterations of ${
      new Set(all.map(l => l.run)).size} runs; the table has their latest numbers`);
    if (!all.length) {
      svg.append(shape('text', { x: width / 2, y: height / 2, 'text-anchor': 'middle' },
        'no lines to draw yet'));
      svg.onpointermove = null;
      return;
    }
    const s = scales(all, box, log);
    axes(svg, box, s, log);
    for (const line of all)
      svg.append(shape('polyline', {
        class: `line ${line.className}${line.run === chosen ? ' strong' : ''}`,
        points: line.points.map(p => `${s.x(p[0]).toFixed(1)},${s.y(p[1]).toFixed(1)}`).join(' '),
      }));
    const dot = shape('circle', { r: 4, class: 'dot', visibility: 'hidden' });
    svg.append(dot);
    svg.onpointermove = event => read(event, svg, all, s, dot, width);
  }

  /* The point nearest to the pointer, in words. */
  function read(event, svg, all, s, dot, width) {
    const rect = svg.getBoundingClientRect(), unit = width / rect.width;
    const px = (event.clientX - rect.left) * unit, py = (event.clientY - rect.top) * unit;
    let best = null, least = 900;
    for (const line of all) for (const [x, y] of line.points) {
      const d = (s.x(x) - px) ** 2 + (s.y(y) - py) ** 2;
      if (d < least) { least = d; best = { line, x, y }; }
    }
    dot.setAttribute('visibility', best ? 'visible' : 'hidden');
    get('reading').textContent = best
      ? `${best.line.run.name}, ${best.line.kind}: ${short(best.y)} at iteration ${count(Math.round(best.x))}` : '';
    if (!best) return;
    dot.setAttribute('cx', s.x(best.x));
    dot.setAttribute('cy', s.y(best.y));
  }

  /* ---------------------------------------------------------------- table */

  /* Options that are not the same in all runs. */
  function differing() {
    const all = [...runs.values()].filter(run => run.options);
    const keys = [...new Set(all.flatMap(run => Object.keys(run.options)))];
    return keys.filter(key =>
      new Set(all.map(run => value(run.options[key]))).size > 1);
  }

  const columns = [
    ['done', run => run.iterations ? `${count(run.iteration)} of ${count(run.iterations)}` : '–'],
    ['best error', run => percent(run.best_error)],
    ['last error', run => percent(run.test_error)],
    ['training error', run => percent(run.train_error)],
    ['loss', run => short(run.loss)],
    ['images/s', run => short(run.images_per_second)],
  ];

  function makeRow(run) {
    const row = run.row = make('tr'), head = make('th'), label = make('label');
    const box = run.box = make('input');
    head.scope = 'row';
    box.type = 'checkbox';
    box.checked = run.shown;
    box.addEventListener('change', () => { run.shown = box.checked; later(); });
    label.append(box, make('span', undefined, `swatch c${run.colour}`),
      make('span', 'in the chart: ', 'visually-hidden'),
      Object.assign(named(run.name), { className: 'visually-hidden' }));
    const button = run.button = make('button');
    button.type = 'button';
    button.append(named(run.name));
    button.addEventListener('click', () => choose(run));
    head.append(label, button);
    row.append(head);
  }

  function fillRow(run, options) {
    const cells = [stateOf(run), ...columns.map(([, text]) => text(run)),
      ...options.map(key => run.options ? value(run.options[key]) : '–')];
    while (run.row.children.length > cells.length + 1) run.row.lastChild.remove();
    cells.forEach((text, i) => {
      const cell = run.row.children[i + 1] ?? run.row.appendChild(make('td'));
      if (cell.textContent !== text) cell.textContent = text;
      cell.className = i === 0 ? `state ${run.state}` : i > columns.length ? 'option' : '';
    });
    run.button.setAttribute('aria-expanded', String(run === chosen));
  }

  function fillTable() {
    const options = differing(), head = get('run-head'), body = get('run-rows');
    const titles = ['run', 'state', ...columns.map(c => c[0]), ...options];
    if (head.dataset.titles !== titles.join('\n')) {
      head.dataset.titles = titles.join('\n');
      head.replaceChildren(...titles.map((text, i) => {
        const cell = make('th', text.replaceAll('_', '-'), i > columns.length + 1 ? 'option' : '');
        cell.scope = 'col';
        return cell;
      }));
    }
    const rows = sorted();
    for (const run of rows) {
      if (!run.row) makeRow(run);
      fillRow(run, options);
    }
    /* moving a row would take the focus from it */
    if (rows.some((run, i) => body.children[i] !== run.row) || body.children.length !== rows.length)
      body.replaceChildren(...rows.map(run => run.row));
  }

  function later() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { tellFolder(); fillTable(); draw(); });
  }

  /* -------------------------------------------------------------- one run */

  function matrix(confusion) {
    const table = make('table', undefined, 'matrix'), head = make('tr');
    const caption = make('caption', 'Rows are labels, columns answers');
    head.append(make('td'), ...confusion.classes.map(name =>
      Object.assign(make('th', name), { scope: 'col' })));
    table.append(caption, head);
    confusion.counts.forEach((counts, i) => {
      const row = make('tr'), sum = counts.reduce((a, b) => a + b, 0);
      row.append(Object.assign(make('th', confusion.classes[i]), { scope: 'row' }));
      counts.forEach((n, k) => {
        const cell = make('td', n ? String(n) : '', i === k ? 'right' : 'wrong');
        cell.style.setProperty('--share', sum ? n / sum : 0);
        row.append(cell);
      });
      table.append(row);
    });
    return table;
  }

  /* Of many classes those pairs that are confused most often. */
  function pairs(confusion) {
    const list = make('ol', undefined, 'pairs'), all = [];
    confusion.counts.forEach((counts, i) => counts.forEach((n, k) => {
      if (i !== k && n) all.push([n, i, k]);
    }));
    all.sort((a, b) => b[0] - a[0]);
    for (const [n, i, k] of all.slice(0, PAIRS))
      list.append(make('li', `${confusion.classes[i]} taken for ${confusion.classes[k]}: ${n}`));
    return list;
  }

  function showConfusion(place, confusion) {
    place.append(make('h4', 'Confusion'));
    if (typeof confusion === 'string') {
      place.append(make('p', confusion, 'note'));
      return;
    }
    const scroll = make('div', undefined, 'scroll');
    scroll.tabIndex = 0;
    scroll.role = 'region';
    scroll.ariaLabel = 'Confusion matrix';
    scroll.append(confusion.classes.length <= MATRIX ? matrix(confusion) : pairs(confusion));
    place.append(scroll);
  }

  function showMistakes(place, mistakes) {
    place.append(make('h4', 'Mistakes'));
    if (typeof mistakes === 'string') {
      place.append(make('p', mistakes, 'note'));
      return;
    }
    place.append(make('p', `${count(mistakes.wrong)} of ${count(mistakes.images)} images answered wrongly, the surest first`, 'hint'));
    const list = make('ul', undefined, 'mistakes');
    for (const mistake of mistakes.shown) {
      const item = make('li'), figure = make('figure'), caption = make('figcaption');
      if (mistake.picture?.startsWith('data:image/png;base64,')) {
        const picture = make('img');
        picture.src = mistake.picture;
        picture.alt = '';
        picture.loading = 'lazy';
        figure.append(picture);
      }
      caption.append('taken for ', make('strong', mistake.answer), make('br'),
        `labelled ${mistake.label}`, make('br'), make('small', mistake.image));
      figure.append(caption);
      item.append(figure);
      list.append(item);
    }
    place.append(list);
  }

  function facts(run) {
    const list = make('dl');
    const add = (name, text) => list.append(make('dt', name), make('dd', text));
    add('state', stateOf(run));
    add('network', `${value(run.net)}, ${count(run.params)} parameters`);
    add('best error', isNumber(run.best_error)
      ? `${percent(run.best_error)} (${run.tested_on}) at iteration ${count(run.best_iteration)}` : '–');
    if (run.broken_lines) add('log', `${count(run.broken_lines)} lines are none of a log and left out`);
    return list;
  }

  function fillRun(run) {
    const place = get('run-facts');
    place.replaceChildren(facts(run));
    if (run.state === 'stopped' && !run.error)
      place.append(make('p', 'No process trains this run. It goes on with: resnet train --resume FOLDER', 'note'));
  }

  function optionsOf(run) {
    const details = make('details'), list = make('dl');
    details.append(make('summary', 'All options'), list);
    for (const key in run.options)
      list.append(make('dt', key.replaceAll('_', '-')), make('dd', value(run.options[key])));
    return details;
  }

  async function showResults(run) {
    const mine = wanted = {}, place = get('run-results');
    place.replaceChildren();
    try {
      const path = run.name.split('/').map(encodeURIComponent).join('/');
      const answer = await server.ask(`runs/${path}`);
      if (wanted !== mine) return;
      if (answer.confusion) showConfusion(place, answer.confusion);
      if (answer.mistakes) showMistakes(place, answer.mistakes);
      if (!answer.confusion && !answer.mistakes && run.state === 'finished')
        place.append(make('p', 'Its confusion matrix and mistakes show here once they are made: resnet eval RUN DATA --confusion RUN/confusion.csv --mistakes RUN/mistakes.html', 'hint'));
    } catch (error) {
      if (wanted === mine) place.replaceChildren(make('p', error.message, 'note'));
    }
    if (wanted === mine && run.options) place.append(optionsOf(run));
  }

  function choose(run) {
    chosen = chosen === run ? null : run;
    get('run').hidden = !chosen;
    later();
    if (!chosen) return;
    get('run-title').replaceChildren(named(run.name));
    fillRun(run);
    showResults(run);
    get('run-title').focus();
  }

  /* --------------------------------------------------------------- events */

  function takeRun(event) {
    let run = runs.get(event.id);
    const before = run?.state;
    if (!run) {
      run = { curves: {}, colour: event.id % COLOURS,
        shown: [...runs.values()].filter(r => r.shown).length < COLOURS };
      runs.set(event.id, run);
    }
    const { curves, ...rest } = event;
    Object.assign(run, rest);
    for (const [name, { from, points }] of Object.entries(curves)) {
      const curve = run.curves[name] ??= [];
      curve.splice(from, curve.length, ...points);
    }
    if (run === chosen) {
      fillRun(run);
      if (before !== run.state) showResults(run);
    }
    if (before && before !== run.state) server.say(`${run.name}: ${stateOf(run)}`);
    else if (!before && folder) server.say(`${run.name}: a new run`);
  }

  function takeGone({ id }) {
    const run = runs.get(id);
    if (!run) return;
    runs.delete(id);
    run.row?.remove();
    if (run === chosen) {
      chosen = null;
      get('run').hidden = true;
    }
    server.say(`${run.name} is gone`);
  }

  function takeFolder(event) {
    folder = event;
    late = event.now - Date.now() / 1000;
  }

  function tellFolder() {
    if (!folder) return;
    const training = [...runs.values()].filter(run => run.state === 'training').length;
    get('runs-about').textContent = folder.error ??
      (folder.count ? `${count(folder.count)} run${folder.count === 1 ? '' : 's'}, ${training} in training` : 'No runs yet: they show here once they begin.');
    get('runs-about').className = folder.error ? 'note' : 'hint';
  }

  const takers = { run: takeRun, gone: takeGone, folder: takeFolder };

  function takeEvent(text) {
    const field = name => text.split('\n').find(line => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const name = field('event'), data = field('data');
    if (!data || !takers[name]) return;
    takers[name](JSON.parse(data));
    get('run-table').hidden = runs.size === 0;
    later();
  }

  /* Until the server ends it. EventSource could not send the token. */
  async function listen() {
    const response = await server.request('events');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    runs.clear();
    folder = null;
    get('run-rows').replaceChildren();
    const was = chosen?.name;
    chosen = null;
    for (;;) {
      const { value: more, done } = await reader.read();
      if (done) return;
      text += more;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events) {
        takeEvent(event);
        const again = was && !chosen && [...runs.values()].find(run => run.name === was);
        if (again) chosen = again;
      }
      get('run').hidden = !chosen;
    }
  }

  async function follow() {
    for (;;) {
      let why = 'The server has ended the connection.';
      try {
        await listen();
      } catch (error) {
        why = error.message;
      }
      folder = null;
      get('runs-about').textContent = `${why} It is asked again.`;
      get('runs-about').className = 'note';
      await new Promise(done => setTimeout(done, 1000 * AGAIN));
    }
  }

  get('runs').hidden = false;
  for (const id of ['quantity', 'log']) get(id).addEventListener('change', later);
  get('run-close').addEventListener('click', () => {
    const button = chosen?.button;
    if (chosen) choose(chosen);
    button?.focus();
  });
  new ResizeObserver(later).observe(get('plot'));
  setInterval(later, 10000); /* "seconds ago" goes on */
  follow();
}
