# dpdk-app
