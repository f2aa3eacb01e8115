/*
 * report_style.c - the style sheet of the report.
 *
 * The series' colours are those of Okabe and Ito, which people who see colours differently can tell apart; darker or
 * lighter where the background asks for it, and curves differ in their dashes and marks as well.
 */
#include "report_page.h"

const char report_style[] =
	":root{--bg:#fbfbfa;--card:#fff;--ink:#1c2024;--soft:#5b6570;--line:#dfe3e7;--bad:#c2410c;--good:#00785a;"
	"--c0:#0072b2;--c1:#d98300;--c2:#009067;--c3:#c0568f;--c4:#3a9bd0;--c5:#c44e00;--c6:#8a7a00;--c7:#6b6b6b}"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e8eaec;--soft:#a2acb6;--line:#343b42;"
	"--bad:#fb8a52;--good:#3ecfa0;--c0:#4aa8e8;--c1:#e69f00;--c2:#22b88c;--c3:#dd8fbb;--c4:#8fd0f5;--c5:#f07a35;"
	"--c6:#e0d04a;--c7:#a8a8a8}}"
	"*{box-sizing:border-box}"
	"body{margin:0 auto;max-width:1120px;padding:20px 16px 48px;background:var(--bg);color:var(--ink);"
	"font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
	"h1{font-size:26px;margin:0}h2{font-size:20px;margin:36px 0 10px;overflow-wrap:anywhere}"
	"h3{font-size:15px;margin:0 0 2px}p{margin:4px 0 10px;max-width:75ch}.soft{color:var(--soft)}small,.small{font-size:13px}"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:18px 0}"
	".card,.panel{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}"
	".card b{display:block;font-size:25px;line-height:1.25}.card span{color:var(--soft);font-size:13px;display:block}"
	".bad{color:var(--bad)}.good{color:var(--good)}"
	".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:12px;margin:12px 0}"
	".panel{min-width:0;margin:12px 0}.two .panel{margin:0}"
	"svg{display:block;width:100%;height:auto}.wide{overflow-x:auto}.wide svg{min-width:900px}"
	"svg text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--soft)}"
	".name{font-size:12px}.mid{text-anchor:middle}.end{text-anchor:end}.halo{paint-order:stroke;stroke:var(--card);"
	"stroke-width:4px}.strong{fill:var(--ink)!important}tspan.soft{fill:var(--soft)}.title{font-weight:600}"
	".grid{stroke:var(--line);fill:none}.axis{stroke:var(--soft);fill:none}.rule{stroke:var(--ink);stroke-dasharray:2 3;fill:none}"
	".line{fill:none;stroke:var(--s,var(--ink));stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
	".mark{fill:var(--s);stroke:var(--card);stroke-width:1}.fill{fill:var(--s);stroke:none}"
	".s0{--s:var(--c0)}.s1{--s:var(--c1)}.s2{--s:var(--c2)}.s3{--s:var(--c3)}"
	".s4{--s:var(--c4)}.s5{--s:var(--c5)}.s6{--s:var(--c6)}.s7{--s:var(--c7)}"
	".line.s4,.line.s5,.line.s6,.line.s7{stroke-dasharray:6 4}.miss{--s:var(--bad)}.rest{--s:var(--line)}"
	".limit{--s:var(--bad);stroke-width:1.2;stroke-dasharray:5 4}.faint{--s:var(--c1);stroke-width:1}"
	".legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 0;padding:0;list-style:none;font-size:13px}"
	".legend svg{display:inline-block;width:30px;height:12px;margin-right:6px;vertical-align:-1px}"
	".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}"
	"th{font-weight:600;text-align:left;color:var(--soft);vertical-align:bottom}th,td{padding:5px 10px 5px 0;"
	"border-bottom:1px solid var(--line)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	"td.t{min-width:16ch;overflow-wrap:anywhere}"
	"tr:last-child td{border-bottom:0}.bar{display:block;height:10px;min-width:2px;border-radius:2px;background:var(--c0)}"
	".bar.bad{background:var(--bad)}.bar.rest{background:var(--soft)}td.b{width:18%;min-width:70px}td.e{min-width:30ch}.s5solid{--s:var(--c5)}"
	"footer{margin-top:40px;color:var(--soft);font-size:13px}";
