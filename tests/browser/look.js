// Lists the faults of the rendered page, as sentences.
const wrong = [];

function channels(color) {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return { red, green, blue, alpha };
}

function luminance({ red, green, blue }) {
  const [r, g, b] = [red, green, blue].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ground(element) {
  for (let one = element; one; one = one.parentElement) {
    const color = channels(getComputedStyle(one).backgroundColor);
    if (color.alpha === 1) return color;
    if (color.alpha > 0) wrong.push(`${one.tagName} is half transparent`);
  }
  return channels(getComputedStyle(document.documentElement).colorScheme.includes("dark") &&
    matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18,18,18)" : "rgb(255,255,255)");
}

// WCAG 2 AA requires 4.5 to 1 for text.
function checkContrast(element) {
  const [ink, paper] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))];
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)} of "${element.textContent.trim().slice(0, 40)}"`);
}

const width = document.documentElement.clientWidth;
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.data.trim() || !element.checkVisibility() || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
  texts++;
  checkContrast(element);
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.right > width + 0.5 || box.left < -0.5) wrong.push(`"${node.data.trim().slice(0, 40)}" leaves the screen`);
  }
  if (parseFloat(getComputedStyle(element).fontSize) < 12) wrong.push(`"${node.data.trim().slice(0, 40)}" is tiny`);
}
if (texts === 0) wrong.push("there is no text");
if (document.documentElement.scrollWidth > width) wrong.push("it scrolls sideways");
for (const link of document.links) {
  if (link.getClientRects().length !== 0 && link.getBoundingClientRect().height < 24) wrong.push(`the link ${link.href} is hard to hit`);
}
return wrong;
