package postgres

// ResourcesSQL is the query of a page of resources.
var ResourcesSQL = resourcesSQL

// ExpiryBatch is how many invitations expire in one transaction.
const ExpiryBatch = expiryBatch
