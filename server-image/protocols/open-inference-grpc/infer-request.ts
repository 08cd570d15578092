// A ModelInferRequest as it lies in its bytes: fields found, tensors left where they are, nothing checked against a model.

import { FIXED64, LENGTH_DELIMITED, readFields, readInt64, readText, readUint64, readVarints, VARINT } from "./wire.ts";

/** Undefined: of a kind that means nothing to this server. */
export type ParameterValue = boolean | number | string | undefined;
export type Parameters = ReadonlyMap<string, ParameterValue>;

export interface WireInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: Parameters;
  /** Bytes of InferTensorContents; undefined where the field is absent. */
  readonly contents: Uint8Array | undefined;
}

export interface WireOutput {
  readonly name: string;
  readonly parameters: Parameters;
}

export interface InferRequest {
  readonly modelName: string;
  /** Empty: any. */
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly WireInput[];
  readonly outputs: readonly WireOutput[];
  readonly rawInputs: readonly Uint8Array[];
}

/** The largest numbers of things worth reading: one more than a model can take, so that it still shows. */
export interface ReadLimits {
  readonly inputs: number;
  readonly outputs: number;
}

/** More dimensions than this are refused later on. */
const MAX_RANK = 33;

/** What requests may be told by parameters; all others are ignored, as the protocol has it. */
const PARAMETERS: ReadonlySet<string> = new Set(["priority", "timeout", "classification", "shared_memory_region"]);

const NO_PARAMETERS: Parameters = new Map();

/** Lists longer than the limits are cut: a request cannot make this server hold more than its bytes. Throws `INVALID_ARGUMENT`. */
export function readInferRequest(bytes: Uint8Array, limits: ReadLimits): InferRequest {
  let modelName = "";
  let modelVersion = "";
  let id = "";
  let parameters: Map<string, ParameterValue> | undefined;
  const inputs: WireInput[] = [];
  const outputs: WireOutput[] = [];
  const rawInputs: Uint8Array[] = [];
  readFields(bytes, "the request", (field, wireType, reader) => {
    if (wireType !== LENGTH_DELIMITED) {
      return false;
    }
    switch (field) {
      case 1:
        modelName = readText(reader);
        return true;
      case 2:
        modelVersion = readText(reader);
        return true;
      case 3:
        id = readText(reader);
        return true;
      case 4:
        parameters = addParameter(parameters, reader.bytes());
        return true;
      case 5:
        return inputs.length < limits.inputs && inputs.push(readInput(reader.bytes())) > 0;
      case 6:
        return outputs.length < limits.outputs && outputs.push(readOutput(reader.bytes())) > 0;
      case 7:
        return rawInputs.length < limits.inputs && rawInputs.push(reader.bytes()) > 0;
      default:
        return false;
    }
  });
  return { modelName, modelVersion, id, parameters: parameters ?? NO_PARAMETERS, inputs, outputs, rawInputs };
}

function readInput(bytes: Uint8Array): WireInput {
  let name = "";
  let datatype = "";
  const shape: number[] = [];
  let parameters: Map<string, ParameterValue> | undefined;
  let contents: Uint8Array | undefined;
  readFields(bytes, "an input", (field, wireType, reader) => {
    if (field === 3 && (wireType === LENGTH_DELIMITED || wireType === VARINT)) {
      readVarints(reader, wireType, (element) => {
        const size = readInt64(element);
        if (shape.length < MAX_RANK) {
          shape.push(size);
        }
      });
      return true;
    }
    if (wireType !== LENGTH_DELIMITED) {
      return false;
    }
    switch (field) {
      case 1:
        name = readText(reader);
        return true;
      case 2:
        datatype = readText(reader);
        return true;
      case 4:
        parameters = addParameter(parameters, reader.bytes());
        return true;
      case 5:
        // Parts of one message that come apart are that message when put together.
        contents = contents === undefined ? reader.bytes() : Buffer.concat([contents, reader.bytes()]);
        return true;
      default:
        return false;
    }
  });
  return { name, datatype, shape, parameters: parameters ?? NO_PARAMETERS, contents };
}

function readOutput(bytes: Uint8Array): WireOutput {
  let name = "";
  let parameters: Map<string, ParameterValue> | undefined;
  readFields(bytes, "an output", (field, wireType, reader) => {
    if (wireType !== LENGTH_DELIMITED || field > 2) {
      return false;
    }
    if (field === 1) {
      name = readText(reader);
    } else {
      parameters = addParameter(parameters, reader.bytes());
    }
    return true;
  });
  return { name, parameters: parameters ?? NO_PARAMETERS };
}

function addParameter(known: Map<string, ParameterValue> | undefined, entry: Uint8Array): Map<string, ParameterValue> {
  let key = "";
  let value: ParameterValue;
  readFields(entry, "a parameter", (field, wireType, reader) => {
    if (wireType !== LENGTH_DELIMITED || field > 2) {
      return false;
    }
    if (field === 1) {
      key = readText(reader);
    } else {
      value = readParameter(reader.bytes());
    }
    return true;
  });
  const parameters = known ?? new Map<string, ParameterValue>();
  return PARAMETERS.has(key) ? parameters.set(key, value) : parameters;
}

function readParameter(bytes: Uint8Array): ParameterValue {
  let value: ParameterValue;
  readFields(bytes, "the value of a parameter", (field, wireType, reader) => {
    if (field === 1 && wireType === VARINT) {
      value = reader.bool();
    } else if (field === 2 && wireType === VARINT) {
      value = readInt64(reader);
    } else if (field === 3 && wireType === LENGTH_DELIMITED) {
      value = readText(reader);
    } else if (field === 4 && wireType === FIXED64) {
      value = reader.double();
    } else if (field === 5 && wireType === VARINT) {
      value = readUint64(reader);
    } else {
      return false;
    }
    return true;
  });
  return value;
}
