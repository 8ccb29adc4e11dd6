module canary.lab/application

go 1.26.0
