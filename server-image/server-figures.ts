// The figures of the whole server: what each thread has counted, added up, and how the model is run.

import type { ThreadFigures } from "./io/thread-calls.ts";
import type { Metrics } from "./metrics.ts";
import type { LoadLine } from "./models/load-line.ts";
import type { Model } from "./models/model.ts";
import { addStatistics } from "./models/statistics.ts";
import type { ProcessMetrics } from "./process-metrics.ts";

export interface FigureSources {
  readonly model: Model;
  /** Of this thread. */
  readonly metrics: Metrics;
  readonly processMetrics: ProcessMetrics;
  readonly loadLine: LoadLine;
  /** What the other threads have counted. */
  readonly others: readonly ThreadFigures[];
}

/** All series as Prometheus' text. */
export async function renderMetrics(sources: FigureSources): Promise<string> {
  const { model, metrics, processMetrics, loadLine, others } = sources;
  const own = {
    series: await metrics.snapshot(),
    statistics: model.ownStatistics(),
    queueDepth: model.queueDepth,
  };
  const figures = [own, ...others];
  return processMetrics.render(
    {
      model: describeModel(model),
      statistics: addStatistics(figures.map(({ statistics }) => statistics)),
      pendingRequests: figures.reduce((sum, { queueDepth }) => sum + queueDepth, 0),
      loadLine: loadLine.entries,
      provisional: model.calibration?.calibration.provisional ?? false,
    },
    figures.map(({ series }) => series),
  );
}

function describeModel(model: Model) {
  if (!model.readiness.ready) {
    return undefined;
  }
  const { name, version } = model.readyMetadata();
  return { name, version, plan: model.readyPlan() };
}
