"""The console in a real browser. A package, so that its tests share one browser and one hub."""
