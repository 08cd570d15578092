// The addresses of a local cluster. Each cluster has a network of its own, so they are the same in all of them.

/** Where control plane, Prometheus and everything that stands for "the host" listen. */
export const hostAddress = "10.10.0.1";
export const apiServerPort = 6443;
export const etcdPort = 2379;
export const prometheusPort = 9090;
/** On loopback: where Prometheus asks what to scrape. */
export const scrapeTargetPort = 9091;
export const kubeletPort = 10_250;
export const podCidr = "10.244.0.0/16";
/** The pods' gateway: the bridge's own address, with the length of `podCidr`. */
export const bridgeAddress = "10.244.0.1/16";
export const bridge = "br0";
export const serviceCidr = "10.96.0.0/16";
/** The first address of `serviceCidr`: the API server gives it to the Service `default/kubernetes`. */
export const kubernetesServiceAddress = "10.96.0.1";

/** Names and addresses that serving certificates are valid for. */
export const certificateHosts = {
  apiServer: [
    hostAddress,
    kubernetesServiceAddress,
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ],
  kubelet: [hostAddress],
} as const;
