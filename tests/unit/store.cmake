unit_test(error wire)
unit_test(store store)
unit_test(json_share store)
unit_test(store_history store)
