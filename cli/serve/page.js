/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends pictures to /predict and shows the answers; runs.js shows runs, where
 * there are any. */
'use strict';
(() => {
  const get = id => document.getElementById(id);
  const make = id => get(id).content.firstElementChild.cloneNode(true);
  const SHOWN = 5, AT_ONCE = 4, TRIES = 5;
  let token = '', asking = null, models = [], running = 0;
  const waiting = [];

  const say = text => { get('status').textContent = text; };
  const percent = p => `${(100 * p).toFixed(p < 0.0995 ? 2 : 1)} %`;
  const sleep = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

  /* ------------------------------------------------------------ the server */

  function askToken(wrong) {
    asking ??= new Promise(done => {
      const dialog = get('ask');
      if (wrong) get('ask-why').textContent = 'That was not the right one.';
      get('token').value = '';
      dialog.addEventListener('close', () => {
        token = get('token').value.trim();
        asking = null;
        done();
      }, { once: true });
      dialog.showModal();
    });
    return asking;
  }

  /* The response, well; an Error with the server's sentence. */
  async function request(path, options = {}) {
    for (let tries = 1; ; tries++) {
      const used = token;
      const headers = used ? { Authorization: `Bearer ${used}` } : {};
      let response;
      try {
        response = await fetch(path, { ...options, headers });
      } catch (error) {
        throw new Error('The server does not answer.');
      }
      if (response.status === 401) {
        if (used === token) await askToken(used !== '');
        continue;
      }
      if (response.status === 503 && tries < TRIES) {
        await sleep(Number(response.headers.get('Retry-After')) || 1);
        continue;
      }
      if (response.ok) return response;
      const type = response.headers.get('Content-Type') || '';
      const answer = type.startsWith('application/json') ? await response.json() : {};
      throw new Error(answer.error || `The server answered with status ${response.status}.`);
    }
  }

  const ask = async (path, options) => (await request(path, options)).json();

  /* A few requests at a time. */
  async function inTurn(work) {
    if (running >= AT_ONCE) await new Promise(go => waiting.push(go));
    running++;
    try {
      return await work();
    } finally {
      running--;
      waiting.shift()?.();
    }
  }

  /* -------------------------------------------------------------- answers */

  function press(card, button) {
    for (const other of card.root.querySelectorAll('li button'))
      other.setAttribute('aria-pressed', String(other === button));
  }

  /* The heat map of a class of a model's answer over the card's picture. */
  async function showMap(card, model, entry, button) {
    const wanted = card.wanted = {};
    const map = card.root.querySelector('.map');
    const caption = card.root.querySelector('figcaption');
    press(card, button);
    let text = '';
    try {
      const answer = await inTurn(() => ask(
        `predict/${model.name}?cam=1&top=1&class=${entry.index}`,
        { method: 'POST', body: card.file }));
      if (card.wanted !== wanted) return;
      map.hidden = !answer.cam;
      if (answer.cam) {
        map.src = answer.cam;
        card.root.querySelector('.frame').hidden = false;
        text = ` – heat map: ${entry.label}${models.length > 1 ? ` (${model.name})` : ''}`;
      } else {
        text = ` – no heat map: ${answer.cam_error}`;
      }
    } catch (error) {
      if (card.wanted !== wanted) return;
      map.hidden = true;
      text = ` – no heat map: ${error.message}`;
    }
    caption.textContent = card.file.name + text;
  }

  function addRow(card, model, list, entry) {
    const item = make('row');
    const button = item.querySelector('button');
    entry.label = entry.name ?? entry.id ?? `class ${entry.index}`;
    item.classList.toggle('absent', entry.present === false);
    item.querySelector('.name').textContent = entry.label;
    item.querySelector('.share').textContent = percent(entry.probability);
    button.addEventListener('click', () => showMap(card, model, entry, button));
    list.append(item);
    requestAnimationFrame(() => {
      item.querySelector('.fill').style.width = `${100 * entry.probability}%`;
    });
    return button;
  }

  function fail(section, message) {
    const note = section.querySelector('.note');
    note.textContent = message;
    note.hidden = false;
    section.querySelector('.time').textContent = '';
  }

  /* The first of the models shows its likeliest class's map. */
  async function predict(card, model, isFirst) {
    const section = make('answer');
    const time = section.querySelector('.time');
    section.querySelector('h3').textContent = model.name;
    time.textContent = 'Looking…';
    card.root.querySelector('.answers').append(section);
    try {
      let begun;
      const answer = await inTurn(() => {
        begun = performance.now();
        return ask(`predict/${model.name}?top=${Math.min(SHOWN, model.classes)}`,
          { method: 'POST', body: card.file });
      });
      time.textContent = `${Math.round(performance.now() - begun)} ms, ${answer.precision}`;
      const list = section.querySelector('ol');
      const rows = answer.top.map(entry => [entry, addRow(card, model, list, entry)]);
      const [first, button] = rows[0] ?? [];
      if (!first) return;
      say(`${card.file.name}: ${model.name} says ${first.label}, ${percent(first.probability)}`);
      if (isFirst && !card.wanted) showMap(card, model, first, button);
    } catch (error) {
      const message = error.message.replace('request body', card.file.name);
      fail(section, message);
      say(message);
    }
  }

  /* --------------------------------------------------------------- pictures */

  function addPicture(file) {
    const root = make('card');
    const card = { root, file, wanted: null };
    const picture = root.querySelector('.picture');
    const map = root.querySelector('.map');
    picture.alt = file.name;
    /* of HEIC, TIFF and such only the map can be shown */
    picture.addEventListener('error', () => {
      picture.hidden = true;
      map.classList.add('alone');
      root.querySelector('.frame').hidden = !map.src;
    });
    picture.src = URL.createObjectURL(file);
    map.style.opacity = get('opacity').value / 100;
    root.querySelector('figcaption').textContent = file.name;
    get('cards').prepend(root);
    get('bar').hidden = false;
    const chosen = models.filter(model => model.box.checked);
    chosen.forEach((model, i) => predict(card, model, i === 0));
    if (!chosen.length) {
      const section = make('answer');
      root.querySelector('.answers').append(section);
      fail(section, 'No model is chosen.');
    }
  }

  function addPictures(files) {
    for (const file of [...files].reverse()) addPicture(file);
  }

  function clear() {
    for (const picture of document.querySelectorAll('.picture'))
      URL.revokeObjectURL(picture.src);
    get('cards').replaceChildren();
    get('bar').hidden = true;
    say('Cleared');
    get('choose').focus();
  }

  /* ------------------------------------------------------------------ start */

  function addModel(model, only) {
    const label = document.createElement('label');
    model.box = document.createElement('input');
    model.box.type = 'checkbox';
    model.box.checked = true;
    label.append(model.box, `${model.name} (${model.net}, ${model.classes} classes)`);
    get('models').append(label);
    get('models').hidden = only;
  }

  function listen() {
    const drop = get('drop');
    for (const [button, input] of [['choose', 'files'], ['photo', 'camera']]) {
      get(button).addEventListener('click', () => get(input).click());
      get(input).addEventListener('change', event => {
        addPictures(event.target.files);
        event.target.value = '';
      });
    }
    get('photo').hidden = !matchMedia('(pointer: coarse)').matches;
    document.addEventListener('dragover', event => {
      event.preventDefault();
      drop.classList.add('over');
    });
    document.addEventListener('dragleave', event => {
      if (!event.relatedTarget) drop.classList.remove('over');
    });
    document.addEventListener('drop', event => {
      event.preventDefault();
      drop.classList.remove('over');
      addPictures(event.dataTransfer.files);
    });
    document.addEventListener('paste', event => {
      if (event.clipboardData.files.length) addPictures(event.clipboardData.files);
    });
    get('opacity').addEventListener('input', event => {
      for (const map of document.querySelectorAll('.map:not(.alone)'))
        map.style.opacity = event.target.value / 100;
    });
    get('clear').addEventListener('click', clear);
  }

  async function start() {
    try {
      const served = await ask('models');
      models = served.models;
      models.forEach(model => addModel(model, models.length === 1));
      get('about').textContent = models.length === 1
        ? `${models[0].name}: ${models[0].net}, ${models[0].classes} classes`
        : `${models.length} models answer side by side`;
      if (served.runs) watchRuns({ ask, request, say });
      if (!models.length) {
        get('title').textContent = 'Runs to watch';
        get('about').hidden = get('drop').hidden = true;
        get('runs-title').className = 'visually-hidden';
      }
      get('version').textContent = `resnet ${(await ask('health')).version}`;
      get('links').hidden = token !== ''; /* browsers follow them without it */
      if (models.length) listen();
    } catch (error) {
      get('about').textContent = error.message;
      get('about').className = 'note';
    }
  }

  start();
})();
