"""The look of the report's page: on screen by day and night, and on A4. Sides are named by the direction of the text."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #c9d1d9; --tint: #f4f6f8;
  --good: #0b6b34; --bad: #a3101f; --open: #7a4b00; --link: #0a4fa3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14181d; --soft: #a3adb8; --line: #3d4650;
  --tint: #1d232a; --good: #6fdd97; --bad: #ff9d97; --open: #f0c36a; --link: #8cc0ff; } }
@page { size: A4; margin: 16mm 15mm 18mm; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-inline-size: 52rem; margin-inline: auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .2rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-block-end: .25rem; border-block-end: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
p, ul, ol, dl { margin: .4rem 0; }
ul, ol { padding-inline-start: 1.4rem; }
a { color: var(--link); }
small, dt, figcaption { color: var(--soft); font-size: .87rem; }
code, pre { font: .85em/1.45 ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--tint); border: 1px solid var(--line); padding: .6rem .8rem; }
.title { font-size: 1.15rem; color: var(--soft); margin: 0; }
.status { display: inline-block; margin: 0; padding: .1rem .6rem; border: 2px solid var(--ink);
  font-weight: 700; letter-spacing: .06em; }
.verdict { margin-block: 1rem; padding: .7rem .9rem; border: 2px solid currentColor; border-inline-start-width: .6rem;
  font-weight: 700; }
.good { color: var(--good); } .bad, .problem, .problems { color: var(--bad); } .open { color: var(--open); }
.mark small, .problem small, .problems small { color: var(--soft); }
article { box-decoration-break: clone; -webkit-box-decoration-break: clone; margin: .8rem 0; padding: .7rem .9rem;
  border: 1px solid var(--line); border-inline-start: .3rem solid var(--line); }
article:target { border-inline-start-color: var(--link); }
article.withheld { border-style: dashed; }
.seq { display: inline-block; min-inline-size: 2rem; padding-inline: .4rem; margin-inline-end: .3rem; text-align: center;
  background: var(--tint); border: 1px solid var(--line); font-variant-numeric: tabular-nums; }
.facts { display: grid; align-items: baseline; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
time { white-space: nowrap; }
figure { margin: .5rem 0; }
blockquote { margin: 0; unicode-bidi: plaintext; padding: .4rem .8rem; background: var(--tint);
  border-inline-start: .3rem solid var(--ink); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.hidden { color: var(--open); }
table { inline-size: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { text-align: start; vertical-align: top; padding: .25rem .4rem;
  border-block-end: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { overflow-wrap: normal; color: var(--soft); }
tbody th { font-weight: 600; }
@media (max-width: 34rem) { time { white-space: normal; }
  .facts { grid-template-columns: 1fr; } .facts dd { margin-block-end: .3rem; } }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #999; --tint: #f2f2f2;
    --good: #064d24; --bad: #8a0010;
    --open: #5c3800; --link: #000; }
  body { font-size: 10pt; } main { max-inline-size: none; padding: 0; }
  h2, h3 { break-after: avoid; } figure, tr, dt, dd, pre, .verdict { break-inside: avoid; }
  thead { display: table-header-group; }
  p, li { orphans: 3; widows: 3; }
}
"""
