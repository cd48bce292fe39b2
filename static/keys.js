// What single keys do. They can be turned off (WCAG 2.1.4), by a cookie that the settings set; the
// dialog says so and opens by its button as well. Rows are looked for at each press, since parts of a
// page may have been replaced meanwhile.
'use strict';

const areKeysOn = !document.cookie.split('; ').includes('mpsink_keys=off');
const keysDialog = document.getElementById('keys');
const keysButton = document.getElementById('show-keys');

// Rows of lists and lanes that can be seen and lead somewhere.
function rowLinks() {
  const rows = document.querySelectorAll('main tbody tr, main li.lane');
  const links = Array.from(rows, (row) => row.querySelector('.ids a') ?? row.querySelector('a'));
  return links.filter((link) => link?.checkVisibility());
}

// Focuses the link of another row: that Enter opens it, and that it is read out, comes with that.
function move(step) {
  const links = rowLinks();
  const row = document.activeElement.closest('tr, li.lane');
  const at = links.findIndex((link) => link.closest('tr, li.lane') === row);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next]?.focus();
}

function isTyping(target) {
  return target.isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(target.tagName);
}

const actions = {
  '/': () => {
    const find = document.getElementById('find-anything');
    find.focus();
    find.select();
  },
  j: () => move(1),
  k: () => move(-1),
  '?': () => keysDialog.showModal(),
};

document.addEventListener('keydown', (event) => {
  const hasModifier = event.ctrlKey || event.altKey || event.metaKey;
  const isOurs = areKeysOn && !hasModifier && !event.isComposing && !keysDialog.open;
  const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined;
  if (action && isOurs && !isTyping(event.target)) {
    event.preventDefault();
    action();
  }
});

for (const part of keysDialog.querySelectorAll('[data-keys]')) {
  part.hidden = (part.dataset.keys === 'on') !== areKeysOn;
}
keysButton.hidden = false;
keysButton.addEventListener('click', () => keysDialog.showModal());
