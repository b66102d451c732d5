/**
 * Lets xterm.js colour text under a content security policy without 'unsafe-inline' (docs/decisions/0075). Its <style> elements get the
 * page's nonce from shared/csp-nonce.ts. What remains is that it writes 24-bit colours as `style` attributes onto the spans of its rows,
 * which the policy drops; set through the object model, the same text passes.
 */
let installed = false;

/** To be called before the first terminal is made; further calls do nothing. */
export function allowTerminalStyles(): void {
  if (installed) return;
  installed = true;
  HTMLSpanElement.prototype.setAttribute = function setAttribute(this: HTMLSpanElement, name: string, value: string): void {
    if (name === 'style') this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
  };
}
