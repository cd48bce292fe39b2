// Keeps an open page as it would be if it were opened now. The server says that something was
// written (/live); then the page is read again, and what differs in its regions (data-live) is made
// the same. Where nothing is written for a while (data-live-every), the page is read all the same:
// what it says of the time since then gets older by itself. Nodes that stay are left alone, so that focus, selection, scrolling and open details
// stay with them. Loaded only by pages that change.
'use strict';

(() => {
  // Whether a viewer has switched it off, in localStorage.
  const SWITCHED_OFF = 'mpsink-live-off';

  // When the server has no room for one more, the browser gives up; we ask again after this.
  const AGAIN_MS = 10000;

  // Beside this script, whatever path a proxy shows the dashboard under.
  const address = new URL('../live', document.currentScript.src);

  // A connection that is back by then was not missed.
  const LOST_MS = 3000;

  // How often it is read out that the page has changed, at most.
  const ANNOUNCE_MS = 30000;

  // What the page's scripts and the viewer set themselves, and a new page does not know of.
  const OWN = [
    ['details', ['open']],
    ['button.copy', ['hidden', 'class']],
  ];

  // While one types or chooses in these, nothing changes.
  const FIELDS =
    'select, textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=submit])';

  const control = document.getElementById('live-switch');
  const lost = document.getElementById('live-lost');
  const announced = document.createElement('p');
  announced.className = 'hidden';
  announced.setAttribute('role', 'status');
  document.body.append(announced);

  const everyMs = Number(document.body.dataset.liveEvery);

  let seen = document.body.dataset.liveAt;
  let source = null;
  let again = 0;
  let aging = 0;
  let missing = 0;
  let isReading = false;
  let isStale = false;
  let announcedAt = Date.now();

  function isOn() {
    try {
      return localStorage.getItem(SWITCHED_OFF) === null;
    } catch {
      return control.getAttribute('aria-pressed') === 'true';
    }
  }

  function isBusy() {
    return document.activeElement !== null && document.activeElement.matches(FIELDS);
  }

  // The stream

  function open() {
    clearTimeout(again);
    if (source !== null || document.hidden || !isOn()) {
      return;
    }
    source = new EventSource(`${address}?after=${encodeURIComponent(seen)}`);
    source.addEventListener('open', () => {
      clearTimeout(missing);
      missing = 0;
      lost.textContent = '';
    });
    source.addEventListener('message', refresh);
    source.addEventListener('error', () => {
      if (missing === 0) {
        missing = setTimeout(() => {
          lost.textContent = lost.dataset.lost;
        }, LOST_MS);
      }
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        again = setTimeout(open, AGAIN_MS);
      }
    });
  }

  function close() {
    clearTimeout(again);
    clearTimeout(aging);
    clearTimeout(missing);
    missing = 0;
    lost.textContent = '';
    if (source !== null) {
      source.close();
      source = null;
    }
  }

  // The page

  // Reads the page again when it has got old, counted from now.
  function age() {
    clearTimeout(aging);
    if (isOn() && !document.hidden) {
      aging = setTimeout(refresh, everyMs);
    }
  }

  async function refresh() {
    isStale = true;
    if (isReading) {
      return;
    }
    isReading = true;
    while (isStale && isOn() && !document.hidden && !isBusy()) {
      isStale = false;
      const fresh = await read().catch(() => null);
      if (fresh === null) {
        break;
      }
      // It may have become the wrong moment meanwhile.
      if (isBusy() || document.hidden || !isOn()) {
        isStale = true;
      } else {
        show(fresh);
      }
    }
    isReading = false;
    age();
  }

  // Returns the page as it is now, or null if there is none to be had.
  async function read() {
    const answer = await fetch(location.href, { cache: 'no-store' });
    if (!answer.ok) {
      return null;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    return fresh.body.dataset.liveAt === undefined ? null : fresh;
  }

  function show(fresh) {
    const focused = document.activeElement;
    const isNews = fresh.body.dataset.liveAt !== seen;
    let isChanged = false;
    for (const region of document.querySelectorAll('[data-live]')) {
      const name = region.dataset.live;
      const next = fresh.querySelector(`[data-live="${CSS.escape(name)}"]`);
      if (next !== null && region.innerHTML !== next.innerHTML) {
        patchChildren(region, next);
        isChanged = isChanged || name === 'content';
      }
    }
    // One that had to be moved has lost it.
    if (focused !== document.activeElement && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
    document.title = fresh.title;
    seen = fresh.body.dataset.liveAt;
    document.body.dataset.liveAt = seen;
    if (isChanged) {
      document.dispatchEvent(new Event('mpsink:changed'));
      // That a minute has gone by is no news.
      if (isNews && Date.now() - announcedAt >= ANNOUNCE_MS) {
        announcedAt = Date.now();
        announced.textContent = document.getElementById('made-at').textContent;
      }
    }
  }

  // The address of the one thing that a row or an entry is about.
  function subject(node) {
    const links = Array.from(node.querySelectorAll('a[href]'), (link) => link.getAttribute('href'));
    const details = /^\/((jobs|runs|deliveries|held|refusals)\/|(job|run)\?id=)/;
    return links.find((link) => details.test(link)) || links[0] || '';
  }

  // Which nodes of an old and a new page are the same one.
  function keyOf(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) {
      return node.nodeName;
    }
    if (node.id !== '') {
      return `${node.localName}#${node.id}`;
    }
    switch (node.localName) {
      case 'tr':
      case 'li':
        return `${node.localName} ${subject(node)}`;
      case 'a':
        return `a ${node.getAttribute('href')}`;
      default:
        return `${node.localName}.${node.classList.item(0)}`;
    }
  }

  function patchChildren(old, fresh) {
    const known = new Map();
    for (const child of old.childNodes) {
      const key = keyOf(child);
      known.set(key, (known.get(key) || []).concat(child));
    }
    const wanted = Array.from(fresh.childNodes, (next) => {
      const same = known.get(keyOf(next));
      return [same === undefined ? undefined : same.shift(), next];
    });
    for (const left of known.values()) {
      left.forEach((child) => child.remove());
    }
    let place = old.firstChild;
    for (const [kept, next] of wanted) {
      if (kept === undefined) {
        old.insertBefore(document.importNode(next, true), place);
        continue;
      }
      if (kept === place) {
        place = place.nextSibling;
      } else {
        old.insertBefore(kept, place);
      }
      patch(kept, next);
    }
  }

  function patch(old, fresh) {
    if (old.isEqualNode(fresh)) {
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
      return;
    }
    // What stands in a form's fields is the viewer's.
    if (old.localName === 'form' && old.querySelector(FIELDS) !== null) {
      return;
    }
    const own = OWN.filter(([selector]) => old.matches(selector)).flatMap(([, names]) => names);
    for (const { name } of Array.from(old.attributes)) {
      if (!fresh.hasAttribute(name) && !own.includes(name)) {
        old.removeAttribute(name);
      }
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !own.includes(name)) {
        old.setAttribute(name, value);
      }
    }
    patchChildren(old, fresh);
  }

  // The switch, and when the page is looked at

  function obey() {
    control.setAttribute('aria-pressed', String(isOn()));
    if (isOn() && !document.hidden) {
      open();
      refresh();
    } else {
      close();
    }
  }

  control.hidden = false;
  control.setAttribute('aria-pressed', String(isOn()));
  control.addEventListener('click', () => {
    const isPressed = isOn();
    control.setAttribute('aria-pressed', String(!isPressed));
    try {
      if (isPressed) {
        localStorage.setItem(SWITCHED_OFF, '1');
      } else {
        localStorage.removeItem(SWITCHED_OFF);
      }
    } catch {
      // Where nothing can be kept, it holds for this page.
    }
    obey();
  });
  window.addEventListener('storage', (event) => {
    if (event.key === SWITCHED_OFF || event.key === null) {
      obey();
    }
  });
  document.addEventListener('visibilitychange', obey);
  document.addEventListener('focusout', () => {
    setTimeout(() => {
      if (isStale) {
        refresh();
      }
    }, 0);
  });
  // Browsers keep pages for coming back to, but none with an open stream.
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) {
      obey();
    }
  });
  open();
  age();
})();
