//! Pages, JSON API, live feed and metrics. Reads the store and the ports below; changes nothing itself.
