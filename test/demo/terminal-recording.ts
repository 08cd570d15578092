// A terminal session as an animated SVG: text that a README can show and a diff can read.

export interface RecordedLine {
  /** Since the start of the session. */
  readonly atMs: number;
  readonly text: string;
}

export interface RecordingOptions {
  readonly title: string;
  readonly columns: number;
  /** Lines that the window shows at once. */
  readonly rows: number;
  /** 8: a minute of the session plays in 7.5 s. */
  readonly speed: number;
}

const characterWidth = 7.8;
const lineHeight = 17;
const padding = 14;
const titleHeight = 30;
/** The last screen stays so long before the animation starts again. */
const restMs = 8000;

/**
 * Lines appear at the moments at which they were printed, `speed` times as fast, and push the older ones up. Where animations are
 * switched off (prefers-reduced-motion) or unknown, the last screen is shown.
 */
export function toSvg(lines: readonly RecordedLine[], options: RecordingOptions): string {
  const width = Math.ceil(options.columns * characterWidth + 2 * padding);
  const height = titleHeight + options.rows * lineHeight + 2 * padding;
  const top = titleHeight + padding;
  const body = lines.map(({ text }, index) => textElement(text.slice(0, options.columns), index)).filter(Boolean);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(options.title)}</title>
<style>
.screen { fill: #16202c } .bar { fill: #243447 } .name { fill: #9fb3c8; font: 13px sans-serif }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d9e2ec; white-space: pre }
.command { fill: #7cc4fa } .pass { fill: #8eedc7 } .fail { fill: #ff9b9b } .event { fill: #f7d070 }
${animation(lines, options)}
</style>
<rect class="screen" width="${width}" height="${height}" rx="8"/>
<path class="bar" d="M0 8a8 8 0 0 1 8-8h${width - 16}a8 8 0 0 1 8 8v${titleHeight - 8}H0z"/>
<text class="name" x="${width / 2}" y="20" text-anchor="middle">${escape(options.title)}</text>
<svg x="${padding}" y="${top}" width="${width - 2 * padding}" height="${options.rows * lineHeight}">
<g class="scroll" xml:space="preserve" transform="translate(0 ${offset(lines.length, options.rows)})">
${body.join("\n")}
</g>
</svg>
</svg>
`;
}

/** One step per moment in which lines appear: the text is one long sheet, and the window looks at the newest rows of it. */
function animation(lines: readonly RecordedLine[], { rows, speed }: RecordingOptions): string {
  const totalMs = (lines.at(-1)?.atMs ?? 0) / speed + restMs;
  const steps = lines.map((line, index) => {
    const percent = ((line.atMs / speed / totalMs) * 100).toFixed(2);
    return [percent, `${percent}% { transform: translateY(${offset(index + 1, rows)}px) }`] as const;
  });
  const last = offset(lines.length, rows);
  return `.scroll { transform: translateY(${last}px) }
@media (prefers-reduced-motion: no-preference) {
.scroll { animation: scroll ${(totalMs / 1000).toFixed(1)}s steps(1, end) infinite }
}
@keyframes scroll {
0% { transform: translateY(${offset(0, rows)}px) }
${[...new Map(steps).values()].join("\n")}
100% { transform: translateY(${last}px) }
}`;
}

/** Where the sheet hangs when `shown` lines are out: the newest one is the last row of the window. */
function offset(shown: number, rows: number): number {
  return (rows - shown) * lineHeight;
}

function textElement(text: string, index: number): string {
  if (text.trim() === "") {
    return "";
  }
  const kind = kindOf(text);
  return `<text${kind === undefined ? "" : ` class="${kind}"`} x="0" y="${(index + 1) * lineHeight - 4}">${escape(text)}</text>`;
}

function kindOf(text: string): string | undefined {
  const kinds: readonly (readonly [RegExp, string])[] = [
    [/^\$ /, "command"],
    [/^\s*PASS\b/, "pass"],
    [/^\s*FAIL\b/, "fail"],
    [/^\s*(>>|==>)/, "event"],
  ];
  return kinds.find(([pattern]) => pattern.test(text))?.[1];
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
