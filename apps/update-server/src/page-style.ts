/** The style sheet of the update server's pages; light and dark by the visitor's choice. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #14171c);
  --panel: light-dark(#ffffff, #1c2027);
  --ink: light-dark(#1b2430, #e6e9ee);
  --quiet: light-dark(#566273, #a3adbb);
  --line: light-dark(#d5dae1, #353c47);
  --accent: light-dark(#0b5cad, #7db8f5);
  --on-accent: light-dark(#ffffff, #0d1420);
  --alert: light-dark(#fdecea, #3a1d1d);
  --alert-line: light-dark(#b3261e, #f2a29b);
  --mark: light-dark(#8a4b00, #f5c27a);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, 'Segoe UI', 'Noto Sans', sans-serif; min-height: 100vh; display: flex; flex-direction: column; }
header, main, footer { width: 100%; max-width: 52rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: center; justify-content: space-between; padding-top: 1rem; padding-bottom: 1rem; }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0; font-weight: 650; }
nav { display: flex; gap: 1.25rem; }
a { color: var(--accent); text-underline-offset: .2em; }
nav a { text-decoration: none; padding: .25rem 0; border-bottom: 2px solid transparent; }
nav a:hover { text-decoration: underline; }
nav a[aria-current] { border-bottom-color: currentColor; font-weight: 600; }
main { flex: 1; background: var(--panel); border: 1px solid var(--line); border-radius: .75rem; padding: 1.5rem 1.75rem 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
p { margin: 0 0 1rem; max-width: 42rem; }
label { display: block; font-weight: 600; margin-bottom: .35rem; }
textarea { display: block; width: 100%; resize: vertical; padding: .7rem .8rem; border: 1px solid var(--quiet); border-radius: .5rem; background: var(--ground); color: var(--ink); font: .875rem/1.4 ui-monospace, 'DejaVu Sans Mono', monospace; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
button { font: inherit; font-weight: 600; padding: .6rem 1.4rem; border: 1px solid transparent; border-radius: .5rem; background: var(--accent); color: var(--on-accent); cursor: pointer; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.hint { color: var(--quiet); font-size: .9rem; }
label + textarea + .hint { margin-top: .4rem; }
form .hint:last-child { margin: .6rem 0 0; }
form { margin: 1.25rem 0; }
pre { margin: 0; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); border-radius: .5rem; background: var(--ground); font: .875rem/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; }
.alert, .note { border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: .5rem; padding: .8rem 1rem; margin: 0 0 1.25rem; }
.alert { background: var(--alert); border-color: var(--alert-line); }
.table { overflow-x: auto; margin: 1.25rem 0; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: start; font-weight: 600; padding-bottom: .5rem; }
th, td { text-align: start; padding: .6rem .75rem; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { font-size: .85rem; color: var(--quiet); font-weight: 600; }
tbody th .hint { display: block; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
tfoot th { padding-left: 0; }
.number { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number:first-child, td.number:first-child { width: 1%; padding-left: 0; }
.mark { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem; font-size: .8rem; color: var(--mark); }
article + article { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1.5rem; }
article h2 { margin-top: 0; }
article .hint { margin-bottom: .75rem; }
article ul { margin: 0 0 1rem; padding-left: 1.25rem; }
footer { padding-top: 1rem; padding-bottom: 1.5rem; color: var(--quiet); font-size: .85rem; }
footer p { margin: 0; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--panel); padding: .5rem 1rem; }
@media (max-width: 40rem) {
  main { border-left: 0; border-right: 0; border-radius: 0; padding: 1.25rem; }
  th, td { padding: .5rem .4rem; }
}
`;

/** A drawbridge with two leaves. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5cad"/><path d="M4 23h24M7 23V12M25 23V12M7 13l8 7M25 13l-8 7" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>`;
