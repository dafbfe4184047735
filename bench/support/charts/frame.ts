/** What every chart has around its drawing. */
export interface Heading {
  title: string;
  subtitle: string;
  /** A small line below: the machine, the date. */
  footnote: string;
}

export const WIDTH = 860;
export const MARGIN = { top: 74, right: 24, bottom: 64, left: 64 };

const FOOTNOTE_CHARACTERS = 145;

// Colours that differ in lightness as well as in hue, once for each background; the reader's setting decides.
const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f }
  .ground { fill: #ffffff } .title { font-size: 17px; font-weight: 600 } .quiet { fill: #57606a }
  text.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  .small { font-size: 11px } .strong { font-weight: 600 }
  .middle { text-anchor: middle } .end { text-anchor: end }
  .rule { stroke: #d0d7de; stroke-width: 1 } .axis { stroke: #8c959f; stroke-width: 1 }
  .mark { stroke: #24292f; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .fill0 { fill: #1f6feb } .fill1 { fill: #9a6700 } .fill2 { fill: #8c959f } .fill3 { fill: #1a7f64 }
  .line0 { fill: none; stroke: #1f6feb; stroke-width: 2.5 } .line1 { fill: none; stroke: #9a6700; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } text.halo { stroke: #0d1117 } .ground { fill: #0d1117 } .quiet { fill: #9198a1 }
    .rule { stroke: #30363d } .axis { stroke: #6e7681 } .mark { stroke: #e6edf3 }
    .fill0 { fill: #58a6ff } .fill1 { fill: #d29922 } .fill2 { fill: #6e7681 } .fill3 { fill: #3fb68b }
    .line0 { stroke: #58a6ff } .line1 { stroke: #d29922 }
  }`;

/** A complete SVG document around what was drawn, for any page and either background. */
export function frame({ title, subtitle, footnote }: Heading, height: number, drawn: string[]): string {
  const notes = wrap(footnote, FOOTNOTE_CHARACTERS);
  const total = height + (notes.length - 1) * 15;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${total}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${total}" rx="6"/>`,
    text(24, 32, title, 'title'),
    text(24, 53, subtitle, 'quiet'),
    ...drawn,
    ...notes.map((note, index) => text(24, height - 14 + index * 15, note, 'quiet small')),
    '</svg>\n',
  ].join('\n');
}

export function text(x: number, y: number, content: string, classes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${classes}">${escape(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, classes: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${classes}"/>`;
}

export function bar(x: number, y: number, width: number, height: number, classes: string): string {
  const size = `width="${round(width)}" height="${round(Math.max(height, 0.5))}"`;
  return `<rect x="${round(x)}" y="${round(y)}" ${size} rx="1.5" class="${classes}"/>`;
}

/** Names the series once, in the order and colour of their bars. */
export function legend(labels: string[]): string[] {
  let x = MARGIN.left;
  return labels.flatMap((label, index) => {
    const drawn = [bar(x, MARGIN.top, 12, 12, `fill${index}`), text(x + 18, MARGIN.top + 11, label)];
    x += 40 + label.length * 7;
    return drawn;
  });
}

/** Round steps from 0 to at least `most`, four to six of them. */
export function scale(most: number): number[] {
  const rough = most / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

export function whole(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

function wrap(content: string, characters: number): string[] {
  const lines: string[] = [''];
  for (const word of content.split(' ')) {
    const last = lines[lines.length - 1] ?? '';
    if (last.length + word.length >= characters) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`.trim();
  }
  return lines;
}

function escape(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function round(number: number): string {
  return String(Math.round(number * 10) / 10);
}
