// The version. CMake and pkg-config read it here.
#pragma once

#define LM_VERSION_MAJOR 0
#define LM_VERSION_MINOR 1
#define LM_VERSION_PATCH 0
