// What TensorFlow Serving says of a model: its versions with their states, and its signature.

import type { ModelMetadata } from "../../models/metadata.ts";
import type { Datatype, TensorSpec } from "../../tensors/datatypes.ts";
import type { ProtocolContext } from "../context.ts";
import { PREDICT_METHOD, SERVING_DEFAULT } from "./signature.ts";

const DATA_TYPES = {
  BOOL: "DT_BOOL",
  UINT8: "DT_UINT8",
  UINT16: "DT_UINT16",
  UINT32: "DT_UINT32",
  UINT64: "DT_UINT64",
  INT8: "DT_INT8",
  INT16: "DT_INT16",
  INT32: "DT_INT32",
  INT64: "DT_INT64",
  FP16: "DT_HALF",
  FP32: "DT_FLOAT",
  FP64: "DT_DOUBLE",
  BYTES: "DT_STRING",
} as const satisfies Record<Datatype, string>;

/** The message GetModelStatusResponse. Throws `UNAVAILABLE` before the model is loaded: it has no version until then. */
export function describeStatus({ model, isStopping }: ProtocolContext): unknown {
  const { version } = model.readyMetadata();
  const { readiness } = model;
  const available = readiness.ready && !isStopping();
  return {
    model_version_status: [
      {
        version,
        // A model that was loaded and cannot run now is on its way back, unless the server stops.
        state: available ? "AVAILABLE" : isStopping() ? "UNLOADING" : "LOADING",
        status: readiness.ready
          ? { error_code: "OK", error_message: "" }
          : { error_code: "UNAVAILABLE", error_message: readiness.reason },
      },
    ],
  };
}

/** The message GetModelMetadataResponse, with the fields' names as TensorFlow Serving keeps them. */
export function describeMetadata({ name, version, inputs, outputs }: ModelMetadata): unknown {
  return {
    model_spec: { name, signature_name: "", version },
    metadata: {
      // The message inside this field has a field of the same name.
      signature_def: {
        signature_def: {
          [SERVING_DEFAULT]: {
            inputs: describeTensors(inputs),
            outputs: describeTensors(outputs),
            method_name: PREDICT_METHOD,
            defaults: {},
          },
        },
      },
    },
  };
}

function describeTensors(specs: readonly TensorSpec[]): Record<string, unknown> {
  return Object.fromEntries(specs.map((spec) => [spec.name, describeTensor(spec)]));
}

function describeTensor({ name, datatype, shape }: TensorSpec): unknown {
  return {
    dtype: DATA_TYPES[datatype],
    tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: "" })), unknown_rank: false },
    name,
  };
}
