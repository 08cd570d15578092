// What the rows of a query result mean for each service, and that one signal's failure leaves the other alone.

import { describe, expect, test } from "vitest";
import { collectSignals } from "./collect.ts";
import { QueryError, type Sample } from "./prometheus.ts";

const settings = { scrapeIntervalSeconds: 2 };

function row(kind: string, value: number, service = "resnet", namespace = "vision"): Sample {
  return { labels: { namespace, inference_service: service, row: kind }, value };
}

function reporting(...names: string[]): Sample[] {
  return names.map((pod) => ({ labels: { ...row("reporting", 1).labels, pod }, value: 1 }));
}

const pods = { expected: ["a", "b", "c"], recent: ["d"] };

async function collect(rate: readonly Sample[] | QueryError, queue: readonly Sample[] | QueryError = []) {
  const query = async (promql: string): Promise<readonly Sample[]> => {
    const answer = promql.includes("plimsoll_requests_received_total") ? rate : queue;
    if (answer instanceof QueryError) throw answer;
    return answer;
  };
  return collectSignals({ query, settings, now: () => 1000 });
}

describe("a signal", () => {
  const rows: Record<string, { samples: Sample[]; expected: object }> = {
    "with a value and reporting pods is known": {
      samples: [row("value", 12.5), ...reporting("a", "b", "c")],
      expected: { known: true, value: 12.5, reportingPods: 3 },
    },
    "of 0 is known, and not the same as none": {
      samples: [row("value", 0), ...reporting("a")],
      expected: { known: true, value: 0, reportingPods: 1 },
    },
    "without rows is unknown": { samples: [], expected: { known: false, reason: "NoSamples" } },
    "of another namespace is not this service's": {
      samples: [row("value", 1, "resnet", "audio"), row("reporting", 1, "resnet", "audio")],
      expected: { known: false, reason: "NoSamples" },
    },
    "that no pod reports any more is stale": {
      samples: [row("value", 12.5)],
      expected: { known: false, reason: "StaleSamples" },
    },
    "that is NaN is invalid": {
      samples: [row("value", Number.NaN), ...reporting("a", "b", "c")],
      expected: { known: false, reason: "InvalidSamples" },
    },
    "that is infinite is invalid": {
      samples: [row("value", Number.POSITIVE_INFINITY), ...reporting("a", "b", "c")],
      expected: { known: false, reason: "InvalidSamples" },
    },
    "that is negative is invalid": {
      samples: [row("value", -1), ...reporting("a", "b", "c")],
      expected: { known: false, reason: "InvalidSamples" },
    },
    "with two values is ambiguous": {
      samples: [row("value", 1), row("value", 2), ...reporting("a", "b", "c")],
      expected: { known: false, reason: "InvalidSamples" },
    },
    "counts recent pods once every expected one reports": {
      samples: [row("value", 1), ...reporting("a", "b", "c", "d")],
      expected: { known: true, reportingPods: 4 },
    },
    "does not let a recent pod stand in for a missing one": {
      samples: [row("value", 1), ...reporting("a", "b", "d")],
      expected: { known: true, reportingPods: 2 },
    },
    "does not let pods that are not ready stand in for a missing one": {
      samples: [row("value", 1), ...reporting("a", "b", "loading", "terminating")],
      expected: { known: true, reportingPods: 2 },
    },
  };

  test.each(Object.entries(rows))("%s", async (_sentence, { samples, expected }) => {
    const snapshot = await collect(samples);
    expect(snapshot.signalsOf("vision", "resnet", pods).RequestRate).toMatchObject(expected);
  });

  test("that fails leaves the other signal alone", async () => {
    const snapshot = await collect(new QueryError("PrometheusError", "no"), [row("value", 4), ...reporting("a")]);
    expect(snapshot.signalsOf("vision", "resnet", pods)).toEqual({
      RequestRate: { known: false, reason: "PrometheusError", message: "no" },
      QueueDepth: { known: true, value: 4, reportingPods: 1 },
    });
  });

  test("of one service that is bad leaves the other services alone", async () => {
    const good = [row("value", 4, "bert"), row("reporting", 1, "bert")];
    const snapshot = await collect([row("value", Number.NaN), row("reporting", 1), ...good]);
    expect(snapshot.signalsOf("vision", "bert", pods).RequestRate).toMatchObject({ known: true, value: 4 });
  });

  test("costs one request per signal, whatever the number of services", async () => {
    const asked: string[] = [];
    const query = async (promql: string) => {
      asked.push(promql);
      return [];
    };
    await collectSignals({ query, settings, now: () => 0 });
    expect(asked).toHaveLength(2);
  });

  test("is not invented when the program itself fails", async () => {
    const query = () => Promise.reject(new TypeError("bug"));
    await expect(collectSignals({ query, settings, now: () => 0 })).rejects.toThrow(TypeError);
  });
});
