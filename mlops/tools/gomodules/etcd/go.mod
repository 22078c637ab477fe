module onprem-mlops/tools/etcd

go 1.26
