"""The look of the report: a page of a lab book, on screen and on paper."""

STYLE = """
:root { --ink: #1f2328; --soft: #57606a; --line: #d8dee4; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 15px/1.5 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 36px 28px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--ink); }
.kicker { margin: 0 0 4px; color: var(--soft); font-size: 12px; letter-spacing: .08em;
  text-transform: uppercase; }
.lead { font-size: 18px; margin: 0 0 10px; max-width: 52em; }
.note { margin: 6px 0; padding: 6px 12px; border-left: 4px solid #d4a72c; background: #fff8c5; }
section { margin: 28px 0 0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 22px; }
figure { margin: 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; }
.pictures img { border: 1px solid var(--line); }
figcaption { color: var(--soft); font-size: 13px; margin-top: 7px; }
figcaption b { color: var(--ink); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 5px; color: var(--ink); }
.key { display: inline-flex; align-items: center; gap: 6px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr));
  gap: 26px 36px; }
dl { display: grid; grid-template-columns: minmax(9em, max-content) 1fr; gap: 2px 18px; margin: 0;
  font-size: 14px; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line);
  padding: 4px 10px 4px 0; vertical-align: bottom; }
td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
details { margin-top: 28px; }
summary { cursor: pointer; font-weight: 600; margin-bottom: 8px; }
footer { margin-top: 36px; padding-top: 8px; border-top: 1px solid var(--line);
  color: var(--soft); font-size: 12px; }
@media print {
  main { max-width: none; padding: 0; }
  .pictures, .facts { grid-template-columns: 1fr 1fr; }
  body { font-size: 11pt; }
}
"""
