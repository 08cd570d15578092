// The looks of the page: the reader's own fonts, light or dark as the reader has it.

export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1d2430; --faint: #5d6778; --line: #e2e4e8;
  --accent: #0b6b75; --accent-ink: #ffffff; --good: #1a7f4b; --busy: #a15c00; --bad: #b3261e; --code: #f4f5f6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1a2028; --ink: #e6e9ee; --faint: #98a3b3; --line: #2c3440;
    --accent: #5cc3ce; --accent-ink: #08262a; --good: #6fcf97; --busy: #f2b45c; --bad: #f28b82; --code: #141a21;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; }
.mark { flex: none; width: 2.75rem; height: 2.75rem; color: var(--accent); }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.05rem; }
.version { margin: 0; color: var(--faint); }
.state { margin: 0 0 0 auto; padding: .15rem .75rem; border: 1px solid currentColor; border-radius: 1rem; font-size: .9rem; color: var(--faint); }
.state[data-state=ready] { color: var(--good); }
.state[data-state=starting] { color: var(--busy); }
.state[data-state=gone] { color: var(--bad); }
.facts { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 1rem 0 0; }
.facts div { display: flex; gap: .5rem; }
.facts dt { color: var(--faint); }
.facts dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 0; }
.tile { display: flex; flex-direction: column; min-height: 7.5rem; padding: .85rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.tile dt { color: var(--faint); font-size: .9rem; }
.tile dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile dd.note { margin-top: auto; color: var(--faint); font-size: .8rem; line-height: 1.35; }
.tile dd.chart { height: 1.75rem; margin-top: auto; color: var(--accent); border-bottom: 1px solid var(--line); }
.chart svg { display: block; width: 100%; height: 100%; }
.gauge { position: relative; height: .5rem; margin: .35rem 0 .5rem; border-radius: .25rem; background: var(--line); overflow: hidden; }
.gauge span { position: absolute; inset: 0 auto 0 0; width: 0; background: var(--accent); }
.gauge.over span { background: var(--bad); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; }
th, td { padding: .5rem 1rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; }
thead th:first-child { width: 45%; }
thead th { color: var(--faint); font-size: .9rem; font-weight: 500; }
tbody th { font-weight: 500; overflow-wrap: anywhere; }
code, pre, textarea, tbody th { font-family: ui-monospace, monospace; font-size: .9rem; }
label { display: block; margin-bottom: .35rem; color: var(--faint); }
textarea { display: block; width: 100%; line-height: 1.4; padding: .75rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; resize: vertical; }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem; margin: .75rem 0; }
button { padding: .45rem 1.1rem; font: inherit; color: var(--ink); background: transparent; border: 1px solid var(--line); border-radius: .45rem; cursor: pointer; }
button[type=submit] { color: var(--accent-ink); background: var(--accent); border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#outcome { color: var(--faint); }
#outcome[data-good=true] { color: var(--good); }
#outcome[data-good=false] { color: var(--bad); }
pre { max-height: 24rem; margin: 0; padding: .75rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--code); border: 1px solid var(--line); border-radius: .6rem; }
.hint { margin: .35rem 0 0; color: var(--faint); font-size: .9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: 0; padding: 0; list-style: none; }
a { color: var(--accent); }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--faint); font-size: .9rem; }
[hidden] { display: none; }
`;
