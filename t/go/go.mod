module ngx_k8s_test

go 1.26.0
