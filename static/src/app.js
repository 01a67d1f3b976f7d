// All of the dashboard's own script: dialogs and drawer, copy, shortcuts, the live feed, relative times, toasts, unsaved changes.
// Every page works without it. It only listens on the document, so fragments that htmx swaps in need no wiring.

const doc = document;
const one = (selector, root = doc) => root.querySelector(selector);
const all = (selector, root = doc) => [...root.querySelectorAll(selector)];
const on = (type, handler, capture) => doc.addEventListener(type, handler, capture);

/** Storage that may be full, blocked or absent. */
const remember = (key, value) => { try { value ? localStorage.setItem(key, value) : localStorage.removeItem(key); } catch { /* not kept */ } };
const recall = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

// ---- Announcements and toasts -------------------------------------------------------------------------------------------------

/** Empties the region first, so that the same words are said again. */
function announce(text) {
  const region = one('#announcer');
  if (!region) return;
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}

function toast(text) {
  const template = one('#toast-template');
  if (!template) return;
  const copy = template.content.cloneNode(true);
  one('p', copy).textContent = text;
  one('#toasts').append(copy);
  adoptToasts();
}

/** Gives each new toast its 6 s, kept while it is hovered or focused, and lets at most three stand. */
function adoptToasts() {
  const toasts = all('#toasts > .toast');
  toasts.slice(0, -3).forEach((old) => old.remove());
  for (const item of toasts.slice(-3)) {
    if (item.dataset.timed) continue;
    item.dataset.timed = '1';
    const leave = () => (item.matches(':hover, :focus-within') ? setTimeout(leave, 1000) : item.remove());
    setTimeout(leave, 6000);
  }
}

// ---- Dialogs and drawer -------------------------------------------------------------------------------------------------------

const modal = () => all('dialog:modal').at(-1);
const drawer = () => one('#drawer-slot dialog');
let listUrl = ''; // the list under a drawer whose URL this page pushed, so that Back leads to it
let goingBack = false;
let asker; // the link that asked for the drawer, and where it did
let under;
let opener; // what asked for the dialog
const here = () => location.pathname + location.search;

/** Opens what the server sent: <dialog open> without script, a modal one with it. */
function openDialog(dialog) {
  if (dialog.matches(':modal')) return;
  dialog.open = false;
  dialog.showModal();
  markRow(dialog.dataset.row);
}

function markRow(id) {
  all('tr[aria-current]').forEach((row) => row.removeAttribute('aria-current'));
  if (id) doc.getElementById(id)?.setAttribute('aria-current', 'true');
}

function closed(dialog) {
  const slot = dialog.closest('#drawer-slot, #dialog-slot');
  if (!slot) return;
  const { closeUrl, closeTitle, row } = dialog.dataset;
  slot.replaceChildren();
  markRow();
  if (closeTitle) doc.title = closeTitle;
  if (slot.id === 'drawer-slot' && !closeUrl) htmx.trigger(asker, 'htmx:abort'); // the frame was closed before its content came
  if (closeUrl && here() !== closeUrl && here() !== listUrl) {
    if (listUrl) { goingBack = true; history.back(); } else history.replaceState({ htmx: true }, '', closeUrl);
  }
  listUrl = '';
  // The browser gives focus back to what opened the dialog, unless that is gone.
  if (!doc.activeElement || doc.activeElement === doc.body) (row && one(`#${CSS.escape(row)} .row-link`) || (slot.id === 'dialog-slot' && opener) || one('#results'))?.focus();
}
on('close', (event) => closed(event.target), true);
// closedby="none" where the browser does not know it.
on('cancel', (event) => event.target.getAttribute('closedby') === 'none' && event.preventDefault(), true);

/** A question from a menu closes the menu, and its answer leads back to the menu's button. */
function rememberOpener(el) {
  const menu = el.closest('[popover]');
  menu?.hidePopover();
  if (!el.matches('dialog *')) opener = menu ? one(`[popovertarget="${menu.id}"]`) : el;
}

// Back from the drawer to the list under it needs no request: the list is still there.
addEventListener('popstate', (event) => {
  const open = drawer();
  if (!goingBack && !(open && listUrl === here())) return;
  event.stopImmediatePropagation();
  goingBack = false;
  open?.close();
}, true);

// Shows the drawer's frame when its content takes a while.
let frameTimer;
function frameSoon(slot) {
  frameTimer = setTimeout(() => {
    const frame = one('#drawer-frame');
    if (!frame || slot.children.length) return;
    slot.append(frame.content.cloneNode(true));
    openDialog(slot.firstElementChild);
  }, 250);
}

// ---- Clicks -------------------------------------------------------------------------------------------------------------------

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on another host than localhost has no clipboard API.
  const area = doc.createElement('textarea');
  area.value = text;
  (modal() || doc.body).append(area);
  area.select();
  const done = doc.execCommand('copy');
  area.remove();
  if (!done) throw new Error('copy refused');
}

function copy(button) {
  const { copy: text, copyFrom } = button.dataset;
  const source = copyFrom && one(copyFrom);
  copyText(source ? source.value ?? source.textContent : text).then(() => {
    button.focus();
    button.classList.add('copied');
    announce('Copied');
    setTimeout(() => button.classList.remove('copied'), 1500);
  }, () => toast('Not copied. Select the text and copy it by hand.'));
}

// htmx would take a click that asks for a new tab or window.
on('click', (event) => (event.ctrlKey || event.metaKey || event.shiftKey) && event.target.closest?.('a[hx-get]') && event.stopPropagation(), true);

on('click', (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  let el;
  if ((el = hit('[data-copy], [data-copy-from]'))) copy(el);
  else if ((el = hit('[data-open]'))) openDialog(doc.getElementById(el.dataset.open));
  else if ((el = hit('dialog:modal [data-close]')) && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); el.closest('dialog').close(); }
  else if ((el = hit('[data-clear]'))) { event.preventDefault(); clearPanel(el.closest('[popover]')); }
  else if ((el = hit('[data-dismiss]'))) el.closest('.toast').remove();
  else if (hit('[data-discard]')) all('[data-dirty]').forEach((form) => delete form.dataset.dirty);
  else if ((el = hit('[data-live]'))) toggleLive();
  // closedby="any" where the browser does not know it: the backdrop is the dialog itself.
  else if (event.target.matches?.('dialog[closedby=any]:modal') && !('closedBy' in event.target)) event.target.close();
});

// ---- Forms --------------------------------------------------------------------------------------------------------------------

/** Empties a filter's fields; its form asks for the list as it does for any change. */
function clearPanel(panel) {
  for (const field of all('input', panel)) {
    if (field.type === 'checkbox' || field.type === 'radio') field.checked = field.type === 'radio' && !field.value;
    else field.value = '';
  }
  panel.hidePopover();
  one('input:not([data-typed])', panel)?.dispatchEvent(new Event('change', { bubbles: true }));
}

// A named stretch of time or two dates, not both. It runs before the form asks for the list.
on('change', ({ target }) => {
  for (const field of all('input', target.closest('[data-either]') || target)) {
    if (field.type === 'radio' && target.type !== 'radio') field.checked = !field.value;
    else if (field.type !== 'radio' && target.type === 'radio') field.value = '';
  }
}, true);
/** Lets a list show what holds the text that was typed, and the groups that have any of it. */
function sift(field) {
  const list = one(field.dataset.sift);
  const wanted = field.value.trim().toLowerCase();
  for (const group of all('[data-sift-group]', list)) {
    const items = all('[data-sift-text]', group);
    for (const item of items) item.hidden = !item.dataset.siftText.toLowerCase().includes(wanted);
    group.hidden = items.every((item) => item.hidden);
  }
  one('[data-sift-none]', list).classList.toggle('hidden', all('[data-sift-group]', list).some((group) => !group.hidden));
}
on('input', ({ target }) => {
  if (target.matches('[data-sift]')) sift(target);
  else if (target.form?.matches('[data-guard]')) target.form.dataset.dirty = '1';
  if (target.matches('[data-json]')) { clearTimeout(jsonTimer); jsonTimer = setTimeout(checkJSON, 400, target); }
});

let jsonTimer;
/** Says of a document that is being typed what keeps it from being a JSON object. The server looks again. */
function checkJSON(field) {
  let words = '';
  try {
    const value = JSON.parse(field.value);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) words = 'An event’s data is an object, in braces.';
  } catch (error) {
    words = `Not JSON yet: ${error.message}.`;
  }
  const note = one(field.dataset.json);
  if (note.textContent !== words) note.textContent = words;
  field.setAttribute('aria-invalid', String(!!words));
}
on('keydown', (event) => event.key === 'Enter' && event.target.matches?.('[data-sift]') && event.preventDefault());
on('change', ({ target }) => {
  if (!target.matches('[data-shortcuts]')) return;
  remember('shortcuts', target.checked ? '' : 'off');
  all('[data-shortcuts]').forEach((box) => { box.checked = target.checked; }); // the sheet and the profile each have one
});
on('submit', (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  delete form.dataset.dirty;
  if (form.method !== 'post') {
    // The secret is stored: on to the page whose address this one has by now.
    if (form.closest('[data-replace-url]')) { event.preventDefault(); location.replace(form.action); }
    return;
  }
  form.dataset.sent = '1';
  setTimeout(release, Number(form.dataset.patience) || 10000, form); // a download or a stopped request leaves the page where it is
  const button = event.submitter || one('button[type=submit]', form);
  if (button) { button.dataset.busy = '1'; button.setAttribute('aria-disabled', 'true'); }
});
const release = (form) => {
  delete form.dataset.sent;
  all('[data-busy]', form).forEach((button) => { delete button.dataset.busy; button.removeAttribute('aria-disabled'); });
};
addEventListener('pageshow', () => all('form[data-sent]').forEach(release));
// What is shown once does not come back from the browser's memory.
addEventListener('pagehide', () => all('[data-replace-url]').forEach((shown) => shown.remove()));
addEventListener('beforeunload', (event) => one('form[data-guard][data-dirty]') && event.preventDefault());

// ---- Keyboard -----------------------------------------------------------------------------------------------------------------

let prefix = '';
let prefixTimer;

function moveRow(step) {
  const rows = all('.row-link');
  const at = rows.indexOf(doc.activeElement);
  const row = rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)];
  row?.focus();
  row?.scrollIntoView({ block: 'nearest' });
}

on('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.key.length !== 1) return;
  if (event.target.closest('input, textarea, select, [contenteditable]') || recall('shortcuts') === 'off') return;
  clearTimeout(prefixTimer);
  const keys = prefix + event.key;
  prefix = '';
  if (event.key === 'g' && keys === 'g') {
    prefix = 'g ';
    prefixTimer = setTimeout(() => { prefix = ''; }, 1200);
    return;
  }
  const target = all(`[data-key="${CSS.escape(keys)}"]`, modal() || doc).find((el) => el.checkVisibility());
  if (target) { event.preventDefault(); target.matches('input') ? target.select() || target.focus() : target.click(); }
  else if (!modal() && (keys === 'j' || keys === 'k')) { event.preventDefault(); moveRow(keys === 'j' ? 1 : -1); }
});

// ---- Times --------------------------------------------------------------------------------------------------------------------

// The reader's clock may be wrong: times tick against the server's.
const skew = Date.now() - (Number(doc.documentElement.dataset.now) || Date.now());

/** The same words as ui.Relative in Go. */
function ago(then) {
  const s = Math.floor((Date.now() - skew - then) / 1000);
  if (s < 5) return 'now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

function tick() {
  if (doc.hidden) return;
  for (const el of all('time[data-ago]')) {
    const text = ago(Date.parse(el.dateTime));
    if (el.textContent !== text) el.textContent = text;
  }
}
setInterval(tick, 5000);

// ---- Live feed ----------------------------------------------------------------------------------------------------------------

// The stream only says that something changed; the rows come by an ordinary request. #results carries the URLs: data-stream,
// data-refresh-url, data-new-url, its own data-url, and data-first-page when no newer page exists. Where rows change, too, the stream
// names them, or says that there may be others: those that are there are read again from data-rows-url, part by part, and never move.
// What is about one object has its id in data-watch and asks for itself when htmx triggers "changed".
let source;
let tries = 0;
let downSince = 0;
let retryTimer;
let checkTimer;
let sleepTimer;
let asleep = false;
let signedOut = false;
let missed = false;
let lastWords = 0;
let wordsTimer;

const feed = () => one('[data-stream]');
const silent = '[data-stream], [data-watch], [data-poll], #new-pill, #changed'; // what asks by itself
const paused = () => recall('live') === 'off';

function paint() {
  const state = paused() ? 'paused' : !downSince ? 'live' : Date.now() - downSince > 120000 ? 'lost' : tries > 1 ? 'retry' : 'live';
  for (const button of all('[data-live]')) {
    button.dataset.state = state;
    button.setAttribute('aria-pressed', String(state !== 'paused'));
  }
}

function disconnect() {
  clearTimeout(retryTimer);
  retryTimer = 0;
  source?.close();
  source = null;
}

function connect() {
  disconnect();
  paint();
  if (!feed() || paused() || asleep || signedOut) return;
  const mine = new EventSource(feed().dataset.stream);
  source = mine;
  mine.onopen = () => { tries = 0; downSince = 0; paint(); if (missed) { check(); took({ changed: [], more: true }); } missed = false; };
  mine.onmessage = check;
  mine.addEventListener('changed', (event) => took(JSON.parse(event.data)));
  mine.onerror = () => {
    // The server ends a stream every minute or so; only a failing reconnection is worth a word.
    const refused = mine.readyState === EventSource.CLOSED;
    disconnect();
    missed = true;
    downSince ||= Date.now();
    retryTimer = setTimeout(connect, Math.min(30000, 1000 * 2 ** tries++) * (0.8 + Math.random() * 0.4));
    paint();
    if (refused) check(); // an ordinary request finds out why, such as a session that ended
  };
}

function toggleLive() {
  if (one('[data-live][data-state=lost]')) return location.reload();
  remember('live', paused() ? '' : 'off');
  tries = downSince = 0;
  missed = true;
  connect();
}

/** New rows may move the page only while nobody reads or uses it. */
function mayInsert(root) {
  const focus = doc.activeElement;
  return root.hasAttribute('data-first-page') && scrollY < 8 && !one('dialog[open], :popover-open:not(.sidebar)') &&
    !one('table:hover', root) && (focus === root || focus.id === 'live' || !root.contains(focus)) && getSelection().isCollapsed;
}

function check() {
  checkTimer ||= setTimeout(() => {
    checkTimer = 0;
    const root = feed();
    if (!root?.dataset.newUrl || signedOut) return;
    if (mayInsert(root)) htmx.ajax('GET', root.dataset.refreshUrl, { source: root, target: root, swap: 'outerHTML' });
    else htmx.ajax('GET', root.dataset.newUrl, { source: '#new-pill', target: '#new-pill', swap: 'innerHTML' });
  }, 300);
}

let changedIds = new Set();
let changedTimer;
let othersTimer;
let lastOthers = 0;

/** Gathers what changed and reads it again soon. With more, anything may have; that is not looked at more than every 3 s. */
function took({ changed, more }) {
  changed.forEach((id) => changedIds.add(id));
  if (changed.length) {
    changedTimer ||= setTimeout(() => {
      const ids = changedIds;
      changedTimer = 0;
      changedIds = new Set();
      readAgain((id) => ids.has(id));
    }, 300);
  }
  if (more) {
    othersTimer ||= setTimeout(() => {
      othersTimer = 0;
      lastOthers = Date.now();
      readAgain(() => true);
    }, Math.max(300, lastOthers + 3000 - Date.now()));
  }
}

/** Reads what is on the page and has an id that is meant. */
function readAgain(meant) {
  if (signedOut) return;
  for (const el of all('[data-watch]')) if (meant(el.dataset.watch)) htmx.trigger(el, 'changed');
  const url = feed()?.dataset.rowsUrl;
  const ids = all('tr[data-delivery]').map((row) => row.dataset.delivery).filter(meant);
  if (!url || !ids.length) return;
  const query = new URLSearchParams(ids.map((id) => ['id', id]));
  htmx.ajax('GET', `${url}?${query}`, { source: '#changed', target: '#changed', swap: 'none' });
}

/** At most one sentence every 10 s; the last one wins. */
function say(text) {
  clearTimeout(wordsTimer);
  wordsTimer = setTimeout(() => { lastWords = Date.now(); announce(text); }, Math.max(0, lastWords + 10000 - Date.now()));
}

/** Takes up a list that came: by itself, or because the reader asked for it. */
function tookList(root, asker) {
  if (asker.matches('[data-stream]')) {
    const fresh = all('.row-new', root);
    const critical = fresh.filter((row) => row.dataset.risk === 'critical').length;
    const { noun = 'record', nouns = 'records' } = root.dataset;
    if (fresh.length) say(`${fresh.length} new ${fresh.length === 1 ? noun : nouns}` + (critical ? `, ${critical} critical` : ''));
    return;
  }
  // The server's spelling of the filters: the same list has one address.
  if (asker.closest('#filters') && root.dataset.url) history.replaceState(history.state, '', root.dataset.url);
  else if (doc.activeElement === doc.body) root.focus({ preventScroll: true });
  announce(one('[data-summary]', root)?.textContent);
}

/** Gives the stream up while nobody looks: a list's after a minute, that of a single object soon, for people open many of those in tabs
 * and a browser has few connections for all of them. */
function sleepSoon() {
  if (doc.hidden) sleepTimer = setTimeout(() => { asleep = true; disconnect(); }, feed()?.dataset.newUrl ? 60000 : 1000);
}

on('visibilitychange', () => {
  clearTimeout(sleepTimer);
  sleepSoon();
  if (doc.hidden) return;
  if (asleep) {
    asleep = false;
    missed = true; // what came meanwhile is asked for when the stream is there
    connect();
  }
  tick();
});

// ---- htmx ---------------------------------------------------------------------------------------------------------------------

on('htmx:configRequest', ({ detail: { elt, formData } }) => {
  if (elt.closest('#filters')) [...formData].forEach(([key, value]) => value || formData.delete(key)); // empty fields stay out of the address
});
// What a page asks for by itself waits while nobody looks, and ends when nobody is signed in any more.
on('htmx:beforeRequest', (event) => {
  if ((doc.hidden || signedOut) && event.detail.elt.matches('[data-poll]')) event.preventDefault();
});
on('htmx:beforeRequest', ({ detail: { elt, target } }) => {
  target.setAttribute('aria-busy', 'true');
  if (target.id === 'dialog-slot') rememberOpener(elt);
  if (target.id !== 'drawer-slot') return;
  asker = elt;
  under = here();
  if (!drawer()) frameSoon(target);
});
on('htmx:afterRequest', ({ detail: { elt, target } }) => {
  clearTimeout(frameTimer);
  target.removeAttribute('aria-busy');
  if (elt.matches('form')) release(elt);
});
on('htmx:beforeSwap', ({ detail }) => {
  const { target, serverResponse, requestConfig, xhr } = detail;
  // A refresh that failed leaves the reader's list alone; the next one heals it.
  if (xhr?.status >= 400 && requestConfig.elt.matches(silent)) detail.shouldSwap = false;
  if (target?.id === 'drawer-slot') target.dataset.still = drawer() && serverResponse ? '1' : '';
});
on('htmx:afterSwap', ({ target: swapped, detail: { target, requestConfig } }) => {
  if (!target) return;
  if (target.id === 'drawer-slot') {
    if (requestConfig?.elt.hasAttribute('hx-push-url')) listUrl = under;
    const open = drawer();
    if (open && target.dataset.still) open.dataset.still = '1';
  } else if (target.id === 'new-pill') {
    if (target.textContent.trim()) say(target.textContent.trim());
  } else if (target.id === 'headers') {
    swapped.closest('[data-guard]').dataset.dirty = '1';
  } else if (target.id === 'results' && swapped.id === 'results') tookList(swapped, requestConfig.elt);
  else if (swapped.querySelector?.('[data-announce]')) {
    announce(one('[data-announce]', swapped).textContent);
    one('[data-reveal]', swapped)?.scrollIntoView({ block: 'nearest' }); // on a phone it is below the form
  }
});
on('htmx:responseError', ({ detail: { xhr, elt, target } }) => {
  if (target?.id === 'drawer-slot') drawer()?.close();
  if (xhr.status === 401) {
    signedOut = true;
    disconnect();
    const dialog = one('#signed-out');
    if (dialog) openDialog(dialog);
  } else if (!elt.matches(silent)) toast(`Not loaded: the server answered ${xhr.status}. Try again.`);
});
on('htmx:sendError', ({ detail: { elt, target } }) => {
  if (target?.id === 'drawer-slot') drawer()?.close();
  if (!elt.matches(silent)) toast('Posthorn did not answer. Check the connection and try again.');
});
on('htmx:historyCacheMissLoadError', () => location.reload());
on('htmx:load', start);

/** Takes up what the page or a fragment brought. It may run often. */
function start() {
  all('dialog[data-modal]').forEach(openDialog);
  // The answer that shows a secret gives its place in the history to a page that does not.
  const shown = one('[data-replace-url]');
  if (shown) history.replaceState(history.state, '', shown.dataset.replaceUrl);
  all('[data-shortcuts]').forEach((box) => { box.checked = recall('shortcuts') !== 'off'; });
  adoptToasts();
  tick();
  const url = feed()?.dataset.stream;
  if (!url) disconnect();
  else if (!source && !retryTimer) connect();
  else paint();
}
start();
sleepSoon();
const flash = one('#toasts > .toast p');
if (flash) setTimeout(() => announce(flash.textContent), 500);
