// The methods of GRPCInferenceService other than inference: health, metadata, configuration, statistics, index.

import type { Server } from "@grpc/grpc-js";

import { InferenceError } from "../../inference-error.ts";
import type { ServedModel } from "../../models/served-model.ts";
import { type ProtocolContext, SERVER_NAME } from "../context.ts";
import { findModel, serverReadiness } from "../find-model.ts";
import { modelConfig } from "../open-inference-rest/model-config.ts";
import { describeStatistics } from "../open-inference-rest/model-statistics.ts";
import { EXTENSIONS } from "../open-inference-rest/routes.ts";
import { type Fields, methodCodec } from "./messages.ts";
import { registerUnary } from "./register.ts";

export const INFERENCE_SERVICE = "inference.GRPCInferenceService";

type Method = (request: Fields, context: ProtocolContext) => Fields | Promise<Fields>;

/** Each throws an InferenceError. */
const METHODS: Readonly<Record<string, Method>> = {
  ServerLive: () => ({ live: true }),
  ServerReady: (_request, context) => ({ ready: serverReadiness(context).ready }),
  ModelReady: modelReady,
  ServerMetadata: (_request, { serverVersion }) => ({
    name: SERVER_NAME,
    version: serverVersion,
    extensions: EXTENSIONS,
  }),
  ModelMetadata: (request, { model }) => {
    const { name, version, platform, inputs, outputs } = find(request, model).readyMetadata();
    return { name, versions: [version], platform, inputs, outputs };
  },
  ModelConfig: (request, { model }) => {
    const found = find(request, model);
    return { config: modelConfig(found.readyMetadata(), found.readyPlan()) };
  },
  ModelStatistics: async (request, { model }) => {
    const found = request["name"] === "" ? model : find(request, model);
    const { name, version } = found.readyMetadata();
    return describeStatistics(name, version, await found.statistics()) as Fields;
  },
  RepositoryIndex: (request, { model }) => ({ models: repositoryIndex(request, model) }),
};

export function registerInferenceService(server: Server, context: ProtocolContext): void {
  for (const [name, method] of Object.entries(METHODS)) {
    const codec = methodCodec(INFERENCE_SERVICE, name);
    registerUnary(server, codec, (request) => method(request, context), context.log);
  }
}

function find({ name, version }: Fields, model: ServedModel): ServedModel {
  return findModel(model, String(name), version === "" ? undefined : String(version));
}

/** False rather than an error for a model that is not here: clients ask until it is. */
function modelReady(request: Fields, context: ProtocolContext): Fields {
  try {
    find(request, context.model);
  } catch (error) {
    if (error instanceof InferenceError) {
      return { ready: false };
    }
    throw error;
  }
  return { ready: serverReadiness(context).ready };
}

function repositoryIndex(request: Fields, model: ServedModel): Fields[] {
  if (request["repository_name"] !== "") {
    throw new InferenceError("UNSUPPORTED", '"repository_name" is not supported: this server has one model');
  }
  const { readiness } = model;
  if (readiness.ready) {
    return [{ name: model.name, version: model.readyMetadata().version, state: "READY" }];
  }
  return request["ready"] === true ? [] : [{ name: model.name, state: "UNAVAILABLE", reason: readiness.reason }];
}
