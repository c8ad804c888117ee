import { MongoClient } from 'mongodb'
export const openStore = MongoClient
