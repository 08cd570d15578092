// A thread that decodes one large JSON body, says what is in it or why it is refused, and ends.

import { parentPort, workerData } from "node:worker_threads";

import { InferenceError } from "../inference-error.ts";
import type { LargeJson, LargeJsonOutcome } from "./large-json.ts";
import { decodeInferRequest } from "./open-inference-rest/decode.ts";
import { prepareModel } from "./open-inference-rest/prepared-model.ts";
import { decodeExamples } from "./tensorflow-serving-rest/decode-examples.ts";
import { decodePredictRequest } from "./tensorflow-serving-rest/decode-predict.ts";

function decode({ kind, body, headerLength, metadata }: LargeJson): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  switch (kind) {
    case "infer":
      return decodeInferRequest(bytes, headerLength, prepareModel(metadata));
    case "predict":
      return decodePredictRequest(bytes, metadata);
    case "examples":
      return decodeExamples(bytes, metadata);
  }
}

function outcomeOf(json: LargeJson): LargeJsonOutcome {
  try {
    return { decoded: decode(json) };
  } catch (error) {
    if (!(error instanceof InferenceError)) {
      throw error;
    }
    return { refused: { code: error.code, message: error.message } };
  }
}

parentPort?.postMessage(outcomeOf(workerData as LargeJson), []);
