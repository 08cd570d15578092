// The model of an InferenceService and the container that runs it, as part of the spec.

import { z } from "zod";
import { acceptanceFields, acceptanceFlags } from "./acceptance-spec.ts";
import { objectName, positiveQuantity, quantity, validations } from "./field-kinds.ts";
import { kubernetesList } from "./kubernetes-field.ts";
import { serverFlags, serverParameters } from "./server-parameters.ts";

const resourceAmounts = z
  .record(
    z.string(),
    quantity(
      "type(self) == int ? self >= 0 : (isQuantity(self) && !quantity(self).isLessThan(quantity('0')))",
      'must be a quantity such as "500m" or "1Gi"',
    ),
  )
  .meta({ maxProperties: 16 });

const resources = z
  .object({
    requests: resourceAmounts
      .optional()
      .describe(
        "What the scheduler reserves for one replica, e.g. {cpu: 500m, memory: 1Gi}. Default: the limit of the same resource, else {cpu: 100m, memory: 256Mi}.",
      ),
    limits: resourceAmounts
      .optional()
      .describe("What one replica may use at most. A CPU limit sets how many threads the model gets. Default: none."),
  })
  .meta(
    validations({
      rule: "!has(self.limits) || !has(self.requests) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
      message: "each request must be at most the limit of the same resource",
    }),
  );

interface ProbeTiming {
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

function probe(standard: ProbeTiming) {
  const { periodSeconds, timeoutSeconds, failureThreshold } = standard;
  return z
    .object({
      periodSeconds: z
        .int()
        .min(1)
        .max(3600)
        .default(periodSeconds)
        .describe(`Seconds between two probes. Default ${periodSeconds}.`),
      timeoutSeconds: z
        .int()
        .min(1)
        .max(300)
        .default(timeoutSeconds)
        .describe(`Seconds after which an unanswered probe has failed. Default ${timeoutSeconds}.`),
      failureThreshold: z
        .int()
        .min(1)
        .max(86_400)
        .default(failureThreshold)
        .describe(`Number of failures in a row that count. Default ${failureThreshold}.`),
    })
    .prefault({});
}

const storageUri = z
  .string()
  .min(1)
  .max(2048)
  .describe(
    "Where the model is fetched from: https://HOST/PATH, http://HOST/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH, hf://OWNER/REPO[@REVISION]/FILE, pvc://CLAIM/PATH for a PersistentVolumeClaim in the service's namespace, or oci://REGISTRY/IMAGE[:TAG][@sha256:DIGEST] for an image, which is mounted as a volume. A file, an archive or, except for http, https and hf, a folder. Changing it rolls out a new revision.",
  )
  .meta({
    ...validations(
      {
        rule: "self.matches('^(https?://[^/@]+/.+|(s3|gs)://[a-z0-9][-a-z0-9._]+[a-z0-9](/.*)?|hf://[-A-Za-z0-9_.]+/[-A-Za-z0-9_.]+(@[^/@?#]+)?/[^?#]+|pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/.+|oci://[-A-Za-z0-9.]+(:[0-9]+)?/[-a-z0-9._/]+(:[-A-Za-z0-9_.]+)?(@sha256:[0-9a-f]{64})?)$')",
        message:
          "must be https://HOST/PATH, http://HOST/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH, hf://OWNER/REPO[@REVISION]/FILE, pvc://CLAIM/PATH or oci://REGISTRY/IMAGE[:TAG][@sha256:DIGEST], without user name or password",
      },
      { rule: "!self.matches('(^|/)[.][.](/|$)')", message: "must not contain a '..' segment" },
    ),
    example: "https://models.example.com/resnet/7/model.onnx",
  });

const download = z.object({
  timeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe(
      "Seconds that fetching the model takes at most, attempts and unpacking included, e.g. 1200. Default: 600.",
    ),
  maxSize: positiveQuantity('must be a quantity of bytes above 0, such as "20Gi"')
    .optional()
    .describe("Bytes that the model has at most, as fetched and as unpacked: a quantity, e.g. 20Gi. Default: 10Gi."),
});

/** Flags that follow from the rest of the spec, or that the pod relies on. */
const ownFlags = [
  ...Object.values(serverFlags),
  ...Object.values(acceptanceFlags),
  "--model-name",
  "--storage-uri",
  "--storage-sha256",
  "--storage-credentials-directory",
  "--download-timeout-seconds",
  "--max-model-bytes",
  "--model-directory",
  "--pvc-root",
  "--oci-root",
  "--http-port",
  "--grpc-port",
  "--drain-delay-seconds",
  "--grace-period-seconds",
  "--termination-log",
].map((flag) => flag.slice(2));

const container = {
  image: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^\S+$/)
    .optional()
    .describe(
      "Image of the inference server instead of the bundled one, e.g. registry.example.com/server:1. It must take the same flags and serve the same paths.",
    ),
  args: z
    .array(z.string().max(1024))
    .max(64)
    .optional()
    .describe(
      "Further flags of the inference server, after those that the spec sets, e.g. [--storage-instance-credentials].",
    )
    .meta({
      "x-kubernetes-list-type": "atomic",
      ...validations({
        rule: `self.all(arg, !arg.matches('^--(${ownFlags.join("|")})(=|$)'))`,
        message:
          "must not hold a flag that the spec sets: use model.server for how the model runs, model.name, model.sha256, model.credentials, model.download, model.contract, model.smokeTest and predictor.drainSeconds for the others; ports and folders are fixed",
      }),
    }),
  env: kubernetesList("env", ["name"])
    .optional()
    .describe("Further environment variables of the inference server, e.g. [{name: AWS_REGION, value: eu-west-1}].")
    .meta(
      validations({
        rule: "self.all(variable, !variable.name.startsWith('PLIMSOLL_'))",
        message: "must not name a variable PLIMSOLL_...: these are Plimsoll's own",
      }),
    ),
  resources: resources
    .optional()
    .describe("CPU, memory and other resources of one replica's container, e.g. {limits: {cpu: 2, memory: 4Gi}}."),
  volumeMounts: kubernetesList("volumeMounts", ["mountPath"])
    .optional()
    .describe("Where volumes of predictor.volumes are mounted, e.g. [{name: certificates, mountPath: /etc/ssl/own}].")
    .meta(
      validations({
        rule: "self.all(mount, mount.mountPath.startsWith('/') && !mount.mountPath.matches('^/*(tmp|mnt|mnt/(pvc|oci|credentials)(/.*)?)?/*$'))",
        message:
          "mountPath must be absolute and must not be /, /tmp, /mnt or below /mnt/pvc, /mnt/oci or /mnt/credentials",
      }),
    ),
  startupProbe: probe({ periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 1800 }).describe(
    "How long fetching, loading and calibrating the model may take: periodSeconds x failureThreshold seconds, by default 1800; then the container is restarted. The other probes start after it.",
  ),
  readinessProbe: probe({ periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 }).describe(
    "When a pod that served no longer gets requests.",
  ),
  livenessProbe: probe({ periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 }).describe(
    "When a container that no longer answers is restarted.",
  ),
};

export const model = z
  .object({
    modelFormat: z
      .object({ name: z.enum(["onnx"]).describe("Format of the model: onnx.") })
      .describe("Format of the model. It decides which inference server runs it."),
    storageUri,
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/)
      .optional()
      .describe(
        "Name of the model in request paths, e.g. resnet in /v2/models/resnet/infer. Default: the service's name.",
      ),
    sha256: z
      .string()
      .max(64)
      .regex(/^[0-9a-fA-F]{64}$/)
      .optional()
      .describe(
        "SHA-256 that the file or archive at storageUri must have, in hexadecimal. Another one is not served. Absent: not checked.",
      ),
    credentials: z
      .object({
        secretName: objectName().describe(
          "Secret of the service's namespace, e.g. model-storage. Its keys are what the storage needs: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, gcloud-application-credentials.json, or HF_TOKEN, and settings such as AWS_ENDPOINT_URL_S3. Only the model's pods read it.",
        ),
      })
      .optional()
      .describe(
        "How a storage that is not public is read. Only for s3://, gs:// and hf://. Absent: without credentials.",
      ),
    download: download.optional().describe("Limits on fetching the model, e.g. {timeoutSeconds: 1200}."),
    server: serverParameters.optional().describe("How the inference server runs this model. Absent: as was measured."),
    ...acceptanceFields,
    ...container,
  })
  .meta(
    validations(
      {
        rule: "!has(self.sha256) || !self.storageUri.matches('^(s3|gs)://[^/]+$|/$')",
        message:
          "must only be given for one file or archive: name it in storageUri instead of a folder, or leave sha256 out",
        fieldPath: ".sha256",
      },
      {
        rule: "!has(self.sha256) || !self.storageUri.startsWith('oci://')",
        message: "must be left out for an image: write oci://REGISTRY/IMAGE@sha256:DIGEST instead",
        fieldPath: ".sha256",
      },
      {
        rule: "!has(self.credentials) || self.storageUri.matches('^(s3|gs|hf)://')",
        message:
          "must only be given for s3://, gs:// and hf://; for https:// use an address with a signed query, for oci:// predictor.imagePullSecrets",
        fieldPath: ".credentials",
      },
      {
        rule: "!has(self.download) || !self.storageUri.matches('^(pvc|oci)://')",
        message: "must only be given for a model that is fetched: one of pvc:// or oci:// is read in place",
        fieldPath: ".download",
      },
      {
        rule: "self.startupProbe.periodSeconds * self.startupProbe.failureThreshold > (has(self.download) && has(self.download.timeoutSeconds) ? self.download.timeoutSeconds : (self.storageUri.matches('^(pvc|oci)://') ? 0 : 600))",
        message:
          "periodSeconds x failureThreshold must be more seconds than download.timeoutSeconds (600 unless given): raise failureThreshold or lower download.timeoutSeconds",
        fieldPath: ".startupProbe",
      },
    ),
  );
