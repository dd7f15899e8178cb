# plugins/manager
