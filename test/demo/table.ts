// The live table: one plain line per second, so that it reads the same on a terminal and in the log of a CI job.

/** What is known in one second. A figure that nobody could tell is absent and shown as "-", never as 0. */
export interface Observation {
  /** Since the load began. */
  readonly elapsedSeconds: number;
  readonly offeredPerSecond: number;
  /** Sum over all replicas, as Prometheus has it. */
  readonly measuredPerSecond?: number | undefined;
  readonly queueDepth?: number | undefined;
  readonly desiredReplicas?: number | undefined;
  readonly readyReplicas?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  readonly answered: number;
  readonly rejected: number;
  readonly lost: number;
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (row: Observation) => string | undefined;
}

const columns: readonly Column[] = [
  { title: "time", width: 5, cell: (row) => clock(row.elapsedSeconds) },
  { title: "offered", width: 8, cell: (row) => perSecond(row.offeredPerSecond) },
  { title: "measured", width: 8, cell: (row) => perSecond(row.measuredPerSecond) },
  { title: "queue", width: 5, cell: (row) => row.queueDepth?.toFixed(0) },
  { title: "desired", width: 7, cell: (row) => row.desiredReplicas?.toFixed(0) },
  { title: "ready", width: 5, cell: (row) => row.readyReplicas?.toFixed(0) },
  { title: "p50", width: 7, cell: (row) => duration(row.p50Ms) },
  { title: "p99", width: 7, cell: (row) => duration(row.p99Ms) },
  { title: "answered", width: 8, cell: (row) => row.answered.toFixed(0) },
  { title: "rejected", width: 8, cell: (row) => row.rejected.toFixed(0) },
  { title: "lost", width: 4, cell: (row) => row.lost.toFixed(0) },
];

export function tableHeader(): string {
  return columns.map(({ title, width }) => title.padStart(width)).join("  ");
}

export function tableRow(row: Observation): string {
  return columns.map(({ cell, width }) => (cell(row) ?? "-").padStart(width)).join("  ");
}

/** @returns minutes and seconds, e.g. "1:05" */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function perSecond(rate: number | undefined): string | undefined {
  return rate === undefined ? undefined : `${rate.toFixed(1)}/s`;
}

function duration(milliseconds: number | undefined): string | undefined {
  if (milliseconds === undefined) {
    return undefined;
  }
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
