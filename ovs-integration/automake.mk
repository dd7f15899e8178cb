# ovs-integration
EXTRA_DIST += %D%/build-openvswitch
