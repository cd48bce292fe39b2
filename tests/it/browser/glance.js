// What holds for every page, asked in one go. The body of a function: WebDriver runs it in the page.
const root = document.documentElement;

const lightness = colour => {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
  return alpha === 0 ? null : (red + green + blue) / 3 / 255;
};
const grounds = [document.body, root].map(e => lightness(getComputedStyle(e).backgroundColor));
const ground = grounds.find(found => found !== null) ?? 1;
const ink = lightness(getComputedStyle(document.body).color);

// The innermost elements that stick out, or whose text does.
const sticksOut = e => {
  const { left, right } = e.getBoundingClientRect();
  return Math.max(right, left + e.scrollWidth) > root.clientWidth + 0.5;
};
const outside = () => [...document.body.querySelectorAll("*")]
  .filter(e => sticksOut(e) && ![...e.children].some(sticksOut))
  .slice(0, 5)
  .map(e => e.outerHTML.slice(0, 160));

return {
  url: location.href,
  title: document.title,
  mains: document.querySelectorAll("main").length,
  headings: [...document.querySelectorAll("h1, h2, h3")].map(e => e.localName + " " + e.innerText),
  is_dark: ground < ink,
  overflow: root.scrollWidth > root.clientWidth
    ? [root.scrollWidth + " in " + root.clientWidth, ...outside()].join("\n")
    : null,
  ran: window.ran !== undefined,
};
