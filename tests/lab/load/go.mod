module canary.lab/load

go 1.26.0
