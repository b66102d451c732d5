/** What is wrong with a page for people who cannot see it, cannot use a mouse, or see little contrast. */
import type { Page } from 'playwright-core';

/** Roles that people act on; each needs a name that says what it does. */
const NAMED_ROLES = new Set([
  'button',
  'link',
  'textbox',
  'searchbox',
  'combobox',
  'checkbox',
  'radio',
  'radiogroup',
  'spinbutton',
  'table',
  'dialog',
  'navigation',
]);
/** WCAG 2.2 AA, 1.4.3: for text of this size. */
const CONTRAST_MIN = 4.5;

/** Everything that is wrong, in words; empty for a page that is in order. */
export async function pageFaults(page: Page): Promise<string[]> {
  return [...(await namelessNodes(page)), ...(await page.evaluate(faultsInDocument, CONTRAST_MIN))];
}

/** As a screen reader sees the page: Chromium's own accessibility tree. */
async function namelessNodes(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  try {
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    return nodes
      .filter(({ ignored, role }) => !ignored && NAMED_ROLES.has(String(role?.value)))
      .filter(({ name }) => String(name?.value ?? '').trim() === '')
      .map(({ role }) => `a ${String(role?.value)} has no name`);
  } finally {
    await session.detach();
  }
}

/** Runs in the page: ids that occur twice, headings that skip a level, sideways scrolling, text with too little contrast. */
function faultsInDocument(contrastMin: number): string[] {
  const faults: string[] = [];
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of new Set(ids.filter((one, index) => ids.indexOf(one) !== index))) faults.push(`the id ${id} occurs twice`);
  for (const image of document.querySelectorAll('img:not([alt]), [role="img"]:not([aria-label], [aria-labelledby])'))
    faults.push(`an image has no name: ${image.outerHTML.slice(0, 60)}`);
  let before = 1;
  for (const heading of document.querySelectorAll('main h2, main h3, main h4')) {
    const level = Number(heading.tagName.slice(1));
    if (level > before + 1) faults.push(`the heading ${heading.textContent} skips a level`);
    before = level;
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push('the page scrolls sideways');
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color: string): [number, number, number, number] => {
    if (canvas === null) return [0, 0, 0, 1];
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const luminance = ([red, green, blue]: [number, number, number, number]) => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element: Element | null): [number, number, number, number] => {
    for (let at = element; at !== null; at = at.parentElement) {
      const ground = rgba(getComputedStyle(at).backgroundColor);
      if (ground[3] > 0.99) return ground;
    }
    return [255, 255, 255, 1];
  };
  const low = new Set<string>();
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.textContent)
      .join('')
      .trim();
    const style = getComputedStyle(element);
    const isOff = element.closest(':disabled, [data-disabled], [aria-hidden="true"], svg') !== null;
    if (text === '' || isOff || element.getClientRects().length === 0 || style.visibility === 'hidden') continue;
    const [one, other] = [luminance(rgba(style.color)), luminance(groundOf(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < contrastMin) low.add(`${text.slice(0, 40)}: contrast ${contrast.toFixed(1)}`);
  }
  return [...faults, ...low];
}
