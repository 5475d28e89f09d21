unit_test(ini_text ini)
unit_test(oslo_config ini)
unit_test(ini_edit ini)
