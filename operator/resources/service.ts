// The Service through which clients reach an InferenceService's pods.

import type { Service } from "kubernetes-types/core/v1.js";
import type { InferenceService } from "../api/inference-service.ts";
import { grpcPort } from "./container.ts";
import { childMetadata, podSelector } from "./names.ts";

/** A plain selector Service: traffic flows with the operator down. */
export function makeService(service: InferenceService): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: childMetadata(service),
    spec: {
      type: "ClusterIP",
      selector: podSelector(service.metadata.name),
      ports: [
        { name: "http", port: 80, targetPort: "http", protocol: "TCP", appProtocol: "http" },
        { name: "grpc", port: grpcPort, targetPort: "grpc", protocol: "TCP", appProtocol: "kubernetes.io/h2c" },
      ],
    },
  };
}
