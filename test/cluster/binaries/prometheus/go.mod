module plimsoll/test/cluster/binaries/prometheus

go 1.26.0

tool github.com/prometheus/prometheus/cmd/prometheus

require github.com/prometheus/prometheus v0.315.0
