// What Prometheus may scrape: PURE, from pods, with the labels that its own Kubernetes discovery would give.

import type { Container, ContainerPort, Pod } from "kubernetes-types/core/v1.js";

/** One entry of Prometheus' HTTP discovery. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const prefix = "__meta_kubernetes_pod";

/** Prometheus' own rule: what cannot stand in a label's name becomes an underscore. */
function sanitize(name: string): string {
  return name.replaceAll(/\W/g, "_");
}

function prefixed(kind: "label" | "annotation", values: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}_${kind}_${sanitize(name)}`, value]),
  );
}

function podLabels({ metadata, spec, status }: Pod): Record<string, string> {
  return {
    __meta_kubernetes_namespace: metadata?.namespace ?? "",
    [`${prefix}_name`]: metadata?.name ?? "",
    [`${prefix}_uid`]: metadata?.uid ?? "",
    [`${prefix}_ip`]: status?.podIP ?? "",
    [`${prefix}_phase`]: status?.phase ?? "",
    [`${prefix}_node_name`]: spec?.nodeName ?? "",
    ...prefixed("label", metadata?.labels),
    ...prefixed("annotation", metadata?.annotations),
  };
}

function portLabels(container: Container, port: ContainerPort | undefined): Record<string, string> {
  return {
    [`${prefix}_container_name`]: container.name,
    ...(port === undefined ? {} : { [`${prefix}_container_port_number`]: String(port.containerPort) }),
    ...(port?.name === undefined ? {} : { [`${prefix}_container_port_name`]: port.name }),
  };
}

/** One group for each port of each container; for a container without ports, its pod's bare address. */
export function scrapeTargets(pods: readonly Pod[]): TargetGroup[] {
  return pods
    .filter(({ status }) => status?.podIP !== undefined)
    .flatMap((pod) =>
      (pod.spec?.containers ?? []).flatMap((container) => {
        const ports = container.ports ?? [];
        return (ports.length > 0 ? ports : [undefined]).map((port) => ({
          targets: [port === undefined ? pod.status!.podIP! : `${pod.status?.podIP}:${port.containerPort}`],
          labels: { ...podLabels(pod), ...portLabels(container, port) },
        }));
      }),
    );
}
