import type { RunRecord } from '../run-directory.ts'
import { html, type Markup, trusted } from './markup.ts'

const badges: Readonly<Record<RunRecord['verdict'], string>> = {
  valid: '✓ valid',
  invalid: '✗ invalid',
  unknown: '? unknown',
  skipped: '– skipped',
}

/** A sign and a word, so that nobody depends on the colour. */
export function verdictBadge(verdict: RunRecord['verdict']): Markup {
  return html`<span class="badge ${verdict}">${badges[verdict]}</span>`
}

/** A page that loads nothing and runs nothing, whatever the data in it says. */
export function document(title: string, body: Markup): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>
<pattern id="stripes" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="ground" width="5" height="5"/><path class="figure" d="M0 1.2H5"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="ground" width="4" height="4"/><circle class="figure" cx="2" cy="2" r="0.8"/></pattern>
</defs></svg>
<main>
${body}
</main>
</body>
</html>
`.toString()
}

/** Blue, orange and reddish purple (Okabe and Ito) are told apart with every kind of colour blindness; so are patterns. */
const style = `
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--quiet:#57606a;--line:#d0d7de;--soft:#f3f5f7;--link:#0550ae;
--ok:#0072b2;--fail:#b34f00;--fail-figure:#fff;--info:#a8437e;--info-figure:#fff;--band:#57606a;--band-opacity:.13;--break:#fff1e5;
--valid:#0b6b4f;--invalid:#b42318;--unknown:#8a5a00;--skipped:#57606a;--badge-text:#fff;
--p50:#0072b2;--p95:#0b7a5c;--p99:#b35c00;--max:#a8437e}
@media screen and (prefers-color-scheme:dark){:root{--page:#0f1419;--text:#e6e9ec;--quiet:#9aa5b1;--line:#343b44;--soft:#1a2028;--link:#79b8ff;
--ok:#56b4e9;--fail:#f0a030;--fail-figure:#4a2c00;--info:#e08fbd;--info-figure:#4a1535;--band:#c3ccd6;--band-opacity:.14;--break:#33240f;
--valid:#4cc9a0;--invalid:#ff8f80;--unknown:#f0c050;--skipped:#9aa5b1;--badge-text:#0f1419;
--p50:#56b4e9;--p95:#4cc9a0;--p99:#f0a030;--max:#e08fbd}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1200px;margin:0 auto;padding:16px 20px 60px}
h1{font-size:26px;margin:8px 0;overflow-wrap:anywhere}h2{font-size:20px;margin:36px 0 8px;border-bottom:1px solid var(--line);padding-bottom:4px}
h3{font-size:16px;margin:20px 0 6px}p{margin:6px 0}a{color:var(--link)}
code,pre{font:13px/1.45 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
pre{background:var(--soft);padding:8px 12px;border-radius:6px;white-space:pre-wrap}
.definitions{position:absolute}
.badge{display:inline-block;padding:0 .5em;border-radius:5px;color:var(--badge-text);font-weight:600;white-space:nowrap;border:1px solid transparent}
.badge.valid{background:var(--valid)}.badge.invalid{background:var(--invalid)}.badge.unknown{background:var(--unknown)}.badge.skipped{background:var(--skipped)}
td .badge{font-size:13px}
.reasons{margin:8px 0;padding-left:22px}
.figures{display:flex;flex-wrap:wrap;gap:10px 28px;margin:14px 0}.figures div{min-width:90px}.figures dt{color:var(--quiet);font-size:13px}.figures dd{margin:0;font-size:20px;font-variant-numeric:tabular-nums}
nav a{margin-right:14px;white-space:nowrap}
.note,.quiet{color:var(--quiet)}.note{font-size:13.5px}
table{border-collapse:collapse;font-size:14px}th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--quiet);font-weight:600;white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll,.graph{overflow-x:auto}
.chart{overflow-x:auto}.chart svg{display:block;width:100%;min-width:720px;height:auto;font:11px system-ui,"DejaVu Sans",sans-serif}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}
.key{display:inline-block;width:22px;height:11px;vertical-align:-1px;border-radius:2px}svg.key{width:30px;height:10px}
.key.ok{background:var(--ok)}.key.fail{background:repeating-linear-gradient(45deg,var(--fail) 0 3px,var(--fail-figure) 3px 4px)}
.key.info{background:radial-gradient(var(--info-figure) 25%,var(--info) 30%) 0 0/4px 4px}.key.band{background:var(--band);opacity:.35}
rect.ok,path.ok{fill:var(--ok)}rect.fail,path.fail{fill:url(#stripes)}rect.info,path.info{fill:url(#dots)}
#stripes .ground{fill:var(--fail)}#stripes .figure{stroke:var(--fail-figure);stroke-width:1}#dots .ground{fill:var(--info)}#dots .figure{fill:var(--info-figure)}
text{fill:var(--text)}.axis{fill:var(--quiet)}.tick{stroke:var(--quiet);fill:none}.gap{fill:var(--page)}.grid{stroke:var(--line);fill:none}
.band{fill:var(--band);opacity:var(--band-opacity)}.begin{stroke:var(--band);stroke-width:1;stroke-dasharray:2 3;opacity:.7}
.mark{stroke:var(--invalid);stroke-width:1.2;opacity:.75}.anomaly{fill:var(--invalid);font-weight:600}.anomaly-key{color:var(--invalid)}.phase{stroke:var(--quiet);stroke-width:.8;opacity:.6}.fault{fill:var(--band);opacity:.35}.fault-name{font-size:10.5px}
.line{fill:none;stroke-width:1.6;stroke-linecap:round}.p50{stroke:var(--p50)}.p95{stroke:var(--p95);stroke-dasharray:6 3}.p99{stroke:var(--p99);stroke-dasharray:2 3}.max{stroke:var(--max);stroke-dasharray:8 3 2 3}
.hover{fill:transparent}.hover:hover{fill:var(--band);opacity:.15}
.story{border:1px solid var(--line);border-left:5px solid var(--invalid);border-radius:6px;padding:4px 16px 12px;margin:16px 0}
.story h3{margin-top:10px;overflow-wrap:anywhere}.message{font-weight:600;overflow-wrap:anywhere}.story td:nth-child(3){min-width:110px}.story td:nth-child(4){min-width:340px}.story td:nth-child(5){min-width:130px}
tr.break td{background:var(--break)}
.tag{font-size:12.5px;font-weight:600;padding:0 .4em;border-radius:4px;border:1px solid currentColor}.tag.ok{color:var(--ok)}.tag.fail{color:var(--fail)}.tag.info{color:var(--info)}

.graph svg{display:block;margin:12px 0 4px;font:12.5px ui-monospace,"DejaVu Sans Mono",monospace}
.vid rect{fill:var(--page);stroke:var(--quiet)}.vid.shown rect{fill:var(--soft);stroke:var(--text)}.vid.concerned rect{stroke:var(--invalid);stroke-width:3}.vid.delete rect{stroke-dasharray:5 3}
.vid .small{font-size:10.5px;fill:var(--quiet)}.edge{fill:none;stroke:var(--quiet);stroke-width:1.3}.edge.far{stroke-dasharray:4 3}
.setting{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px}.setting dt{color:var(--quiet)}.setting dd{margin:0;overflow-wrap:anywhere}
.files{columns:260px}
.matrix td,.matrix th{padding:5px 6px;text-align:center;border:1px solid var(--line)}.matrix th[scope=row]{text-align:left}.matrix td a{display:block;text-decoration:none;margin:1px 0}.matrix th[scope=col]{font-size:12.5px;white-space:normal;vertical-align:bottom}.matrix .badge{font-size:12px}.matrix small{color:var(--quiet);display:block}
@media(max-width:600px){main{padding:8px 12px 40px}h1{font-size:21px}.setting{grid-template-columns:1fr}.setting dd{margin-bottom:6px}}
@media(max-width:700px){.story thead{display:none}.story table,.story tbody,.story tr,.story td{display:block;text-align:left}.story tr{border-bottom:1px solid var(--line);padding:6px 0}.story td{border:0;padding:0;min-width:0!important}.story td.number{display:inline-block;min-width:0;margin-right:8px;color:var(--quiet)}.story tr.break{background:var(--break)}.story td:nth-child(2)::before{content:"record "}.story td:nth-child(5)::before{content:"active faults: ";color:var(--quiet)}.story td:nth-child(5) div{display:inline}}
@media print{:root{color-scheme:light}body,table,.note,.legend{font-size:10px}code,pre,.tag,td .badge{font-size:9.5px}h1{font-size:18px}h2{font-size:14px;margin-top:18px}h3{font-size:12px}.figures dd{font-size:14px}.story td:nth-child(4){min-width:0}main{max-width:none;padding:0}.chart,.scroll,.graph{overflow:visible}.chart svg{min-width:0}.graph svg{max-width:100%;height:auto}nav{display:none}.story,table tr,.chart,.graph{break-inside:avoid}h2,h3{break-after:avoid}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`
