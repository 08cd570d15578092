// The InferenceService: what it is made of, and how an object from the API server is read as one.

import type { ObjectMeta } from "kubernetes-types/meta/v1.js";
import { z } from "zod";
import { apiVersion, kind } from "./group.ts";
import { type InferenceServiceSpec, inferenceServiceSpecSchema } from "./inference-service-spec.ts";
import { type InferenceServiceStatus, inferenceServiceStatusSchema } from "./inference-service-status.ts";

/** An InferenceService with its defaults filled in, as the rest of the program uses it. */
export interface InferenceService {
  readonly apiVersion: typeof apiVersion;
  readonly kind: typeof kind;
  readonly metadata: ObjectMeta & { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly spec: InferenceServiceSpec;
  readonly status?: InferenceServiceStatus | undefined;
}

/** An InferenceService as the API server sends it: the shape is only as good as the schema that admitted it. */
export interface RawInferenceService {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/**
 * Reads an object from the API server. Fields that this version does not know are ignored, so that a newer
 * CRD does not break an older operator; a spec that an older CRD admitted and this one would not is an error.
 */
export function parseInferenceService(raw: RawInferenceService): z.ZodSafeParseResult<InferenceService> {
  return objectSchema.safeParse(raw);
}

// Made once: each new schema compiles a parser of its own.
const metadataSchema = z.object({ name: z.string(), namespace: z.string(), uid: z.string() });

const objectSchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(kind),
  metadata: z.custom<InferenceService["metadata"]>(isCompleteMetadata, "metadata needs a name, a namespace and a uid"),
  spec: inferenceServiceSpecSchema,
  status: inferenceServiceStatusSchema.optional().catch(undefined),
});

function isCompleteMetadata(metadata: unknown): boolean {
  return metadataSchema.safeParse(metadata).success;
}
