// What this protocol prepares once for each loaded model, so that no request has to: parts of answers, heads seen before.

import type { ModelMetadata } from "../../models/metadata.ts";
import { HeadCache } from "./head-cache.ts";
import type { OutputForm } from "./request-head.ts";

export interface PreparedModel {
  readonly metadata: ModelMetadata;
  /** Whether inputs may have integers that a double cannot hold. */
  readonly exactIntegers: boolean;
  /** Each answer up to the value of its id. */
  readonly answerStart: string;
  /** By name of the output. */
  readonly jsonForms: ReadonlyMap<string, OutputForm>;
  readonly binaryForms: ReadonlyMap<string, OutputForm>;
  /** Outputs that have no JSON form. */
  readonly binaryOnly: ReadonlySet<string>;
  readonly heads: HeadCache;
}

const PREPARED = new WeakMap<ModelMetadata, PreparedModel>();

export function prepareModel(metadata: ModelMetadata): PreparedModel {
  const known = PREPARED.get(metadata);
  if (known !== undefined) {
    return known;
  }
  const head = `{"model_name":${asciiJson(metadata.name)},"model_version":${asciiJson(metadata.version)}`;
  const forms = (binary: boolean) => new Map(metadata.outputs.map((spec) => [spec.name, outputForm(spec, binary)]));
  const made: PreparedModel = {
    metadata,
    exactIntegers: metadata.inputs.some(({ datatype }) => datatype === "INT64" || datatype === "UINT64"),
    answerStart: `${head},"id":`,
    jsonForms: forms(false),
    binaryForms: forms(true),
    binaryOnly: new Set(metadata.outputs.filter(({ datatype }) => datatype === "FP16").map(({ name }) => name)),
    heads: new HeadCache(),
  };
  PREPARED.set(metadata, made);
  return made;
}

function outputForm({ name, datatype }: { name: string; datatype: string }, binary: boolean): OutputForm {
  return { name, binary, start: `{"name":${asciiJson(name)},"datatype":"${datatype}","shape":[` };
}

/** A JSON string of ASCII only, so that its length is its size in bytes. */
export function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
