// The figures for people and for programs: a table, and one flat object of JSON.

import { type Failure, meets, targets as serverTargets, type Target } from "./figures.ts";

/** Rows in the order of the targets, then all others in the order in which they were measured. */
export function table(
  values: ReadonlyMap<string, number>,
  targets: Readonly<Record<string, Target>> = serverTargets,
): string {
  const asked = Object.keys(targets).filter((name) => values.has(name));
  const others = [...values.keys()].filter((name) => !Object.hasOwn(targets, name));
  const rows = [...asked, ...others].map((name) => {
    const value = values.get(name) ?? Number.NaN;
    const target = targets[name];
    const wanted = target === undefined ? "" : `${target.is} ${target.value}`;
    const verdict = target === undefined ? "" : meets(target, value) ? "met" : "MISSED";
    return [name, formatFigure(value), wanted, verdict];
  });
  const all = [["figure", "value", "target", ""], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map(([name = "", value = "", wanted = "", verdict = ""]) =>
      [name.padEnd(widths[0] ?? 0), value.padStart(widths[1] ?? 0), wanted.padEnd(widths[2] ?? 0), verdict]
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Four digits that say something; large numbers without a fraction. */
export function formatFigure(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

export function failureList(failures: readonly Failure[]): string {
  return failures.map(({ what, reason }) => `NOT MEASURED  ${what}: ${reason}`).join("\n");
}

/** Only what was measured: a figure that is not in it is unknown. */
export function resultsJson(values: ReadonlyMap<string, number>): string {
  const rounded = [...values].map(([name, value]) => [name, Number(value.toPrecision(6))]);
  return `${JSON.stringify(Object.fromEntries(rounded), undefined, 2)}\n`;
}
