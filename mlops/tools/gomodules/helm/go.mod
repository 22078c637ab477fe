module onprem-mlops/tools/helm

go 1.26
