module onprem-mlops/tools/pulumi-resource-kubernetes

go 1.26
