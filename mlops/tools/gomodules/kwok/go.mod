module onprem-mlops/tools/kwok

go 1.26
