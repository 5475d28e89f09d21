/* early_binding.h: what was found in an initramfs image, kept between two looks. */
#ifndef GPUFLEET_FACTS_EARLY_BINDING_H
#define GPUFLEET_FACTS_EARLY_BINDING_H

#define IMAGE_SEEN "/var/lib/gpufleet/image.json"

#endif
