// Reads values out of Prometheus' text format.

/** A sample's labels, as far as one asks for them. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The values of the samples of a series that have these labels, whatever others they have.
 * @param name as it is written, for example with `_total` or `_sum`
 */
export function sampleValues(text: string, name: string, labels: Labels = {}): number[] {
  const values: number[] = [];
  for (const line of text.split("\n")) {
    const [, seen, list = "", value] = /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (seen === name && Object.entries(labels).every(([label, wanted]) => hasLabel(list, label, wanted))) {
      values.push(Number(value));
    }
  }
  return values;
}

function hasLabel(list: string, label: string, wanted: string): boolean {
  return `,${list}`.includes(`,${label}=${JSON.stringify(wanted)}`);
}
