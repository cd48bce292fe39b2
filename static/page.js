// What pages can do more with a script. Each works without: a page is whole before this runs.
'use strict';

// Offers the browser's own time zone first among the zones of the settings.
for (const select of document.querySelectorAll('select[data-browser-zone]')) {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = Array.from(select.options).some((option) => option.value === name);
  if (known) {
    const option = new Option(`${name} (${select.dataset.browserZone})`, name);
    select.options.add(option, 1);
  }
}

// Copies the text of what stands before a button. Pages come by plain http as well, where browsers
// have no clipboard but the old command.
const announced = document.createElement('p');
announced.className = 'hidden';
announced.setAttribute('role', 'status');
document.body.append(announced);

async function copy(text) {
  if (window.isSecureContext && navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden';
  area.readOnly = true;
  document.body.append(area);
  area.focus({ preventScroll: true });
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  return isCopied;
}

async function copyBefore(button) {
  const text = button.previousElementSibling.textContent;
  const isCopied = await copy(text).catch(() => false);
  button.focus({ preventScroll: true });
  if (isCopied) {
    // A status that says the same as before is not read out again.
    announced.textContent = '';
    button.classList.add('done');
    setTimeout(() => {
      announced.textContent = button.dataset.copied;
    }, 50);
    setTimeout(() => button.classList.remove('done'), 2000);
  }
}

function offerCopying() {
  for (const button of document.querySelectorAll('button.copy[hidden]')) {
    button.hidden = false;
    button.addEventListener('click', () => copyBefore(button));
  }
}

offerCopying();
// A page that is kept up to date gets new buttons.
document.addEventListener('mpsink:changed', offerCopying);
